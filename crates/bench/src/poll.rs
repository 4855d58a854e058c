//! Waiting for sockets, with a timeout as fine as the system's.

use std::io;
use std::num::NonZeroU64;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

/// Events that one wait gives.
const EVENTS: usize = 256;

/// Names a socket: tokens count up from 0 and are not used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token(pub(crate) usize);

impl Token {
    pub(crate) fn index(self) -> usize {
        self.0
    }
}

/// An epoll instance.
pub(crate) struct Poll {
    epoll: OwnedFd,
    next: usize,
    events: Vec<epoll::Event>,
}

impl Poll {
    /// For the thread that calls it, whose timeouts are made exact.
    pub(crate) fn new() -> io::Result<Self> {
        // By default the system may wake 50 µs late, which would be measured.
        rustix::thread::set_current_timer_slack(NonZeroU64::new(1))?;
        Ok(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            next: 0,
            events: Vec::with_capacity(EVENTS),
        })
    }

    /// Waits for `socket` to be readable from now on, until it is closed.
    pub(crate) fn add(&mut self, socket: impl AsFd) -> io::Result<Token> {
        let token = Token(self.next);
        let data = epoll::EventData::new_u64(token.0 as u64);
        epoll::add(&self.epoll, socket, data, epoll::EventFlags::IN)?;
        self.next += 1;
        Ok(token)
    }

    /// Waits until a socket is ready or the time is over, and puts the ready ones into `ready`.
    pub(crate) fn wait(
        &mut self,
        ready: &mut Vec<Token>,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        let timeout = timeout.map(|timeout| Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        });
        self.events.clear();
        match epoll::wait(
            &self.epoll,
            spare_capacity(&mut self.events),
            timeout.as_ref(),
        ) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        for event in &self.events {
            let data = event.data;
            ready.extend(usize::try_from(data.u64()).ok().map(Token));
        }
        Ok(())
    }
}
