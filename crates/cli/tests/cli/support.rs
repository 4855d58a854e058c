//! A user with a home of his own, servers in processes of their own, and a client.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use proofmark_http::{BaseUrl, Client, ClientOptions, Outgoing, TlsRoots};
use proofmark_testkit::{MockConfig, MockUpstream};
use serde_json::Value;

/// Nothing here takes as long, on any machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A user: a home directory, and nothing of this machine's environment.
pub(crate) struct Home {
    dir: tempfile::TempDir,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// The standard output as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Home {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_proofmark"));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.dir.path())
            .current_dir(self.dir.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        finish(&mut self.command(arguments), &[])
    }

    /// The same with text on its standard input.
    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> Ended {
        finish(&mut self.command(arguments), input)
    }

    /// Runs a command that must end with `code`.
    #[track_caller]
    pub(crate) fn expect(&self, code: i32, arguments: &[&str]) -> Ended {
        let ended = self.run(arguments);
        assert_eq!(
            ended.code, code,
            "{arguments:?}\n{}\n{}",
            ended.out, ended.err
        );
        ended
    }

    /// The same for a command whose arguments have no spaces.
    #[track_caller]
    pub(crate) fn line(&self, code: i32, command: &str) -> Ended {
        self.expect(code, &command.split(' ').collect::<Vec<_>>())
    }

    /// Starts a server; `None` for an address that it was not told.
    pub(crate) fn serve(&self, arguments: &[&str]) -> Server {
        Server::start(&mut self.command(arguments))
    }
}

pub(crate) fn finish(command: &mut Command, input: &[u8]) -> Ended {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that reads nothing closes its end early.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    Ended {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A server process; killed when it is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// What it said when it started.
    pub(crate) banner: String,
    rest: mpsc::Receiver<String>,
    errors: std::thread::JoinHandle<String>,
}

impl Server {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let errors = std::thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).unwrap();
            text
        });
        let (lines, rest) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if lines.send(line).is_err() {
                    return;
                }
            }
        });
        let mut banner = String::new();
        let address = loop {
            let Ok(line) = rest.recv_timeout(PATIENCE) else {
                let _ = child.kill();
                panic!(
                    "the server did not start:\n{banner}\n{}",
                    errors.join().unwrap()
                );
            };
            banner.push_str(&line);
            banner.push('\n');
            let address = line
                .split("http://")
                .nth(1)
                .and_then(|rest| rest.split('/').next());
            if let Some(address) = address.and_then(|address| address.trim().parse().ok()) {
                break address;
            }
        };
        Self {
            child,
            address,
            banner,
            rest,
            errors,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Everything that it printed so far.
    pub(crate) fn printed(&mut self) -> String {
        while let Ok(line) = self.rest.recv_timeout(Duration::from_millis(200)) {
            self.banner.push_str(&line);
            self.banner.push('\n');
        }
        self.banner.clone()
    }

    /// Most memory that it took so far, KiB, where the system says.
    pub(crate) fn peak_memory_kib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().strip_suffix(" kB")?.parse().ok()
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) fn stop(self) -> Ended {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.wait()
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait(mut self) -> Ended {
        let status = self.child.wait().unwrap();
        let errors = std::mem::replace(&mut self.errors, std::thread::spawn(String::new));
        Ended {
            code: status.code().unwrap_or(-1),
            out: self.printed(),
            err: errors.join().unwrap(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A runtime for mock servers and clients.
pub(crate) struct World {
    runtime: tokio::runtime::Runtime,
    pub(crate) upstream: MockUpstream,
}

/// An answer to the client.
pub(crate) struct Got {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Its body.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    pub(crate) fn receipt(&self) -> String {
        self.header("x-proofmark-receipt")
            .unwrap_or_else(|| panic!("no receipt: {} {:?}", self.status, self.body))
            .to_owned()
    }
}

/// A chat request.
pub(crate) fn question(text: &str, stream: bool) -> String {
    serde_json::json!({
        "model": "mock-1",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}],
        "stream": stream,
    })
    .to_string()
}

impl World {
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let upstream = runtime
            .block_on(MockUpstream::start(MockConfig::default()))
            .unwrap();
        Self { runtime, upstream }
    }

    /// The flag that puts the mock behind a node.
    pub(crate) fn upstream_flag(&self) -> String {
        format!("mock={}", self.upstream.base_url())
    }

    /// `proofmark serve` in front of the mock, with its data in `home`'s `data`.
    pub(crate) fn node(&self, home: &Home) -> Server {
        home.serve(&[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--data",
            "data",
            "--upstream",
            &self.upstream_flag(),
        ])
    }

    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(future);
    }

    pub(crate) fn send(
        &self,
        url: &str,
        method: Method,
        path: &str,
        body: impl AsRef<[u8]>,
        headers: &[(&str, &str)],
    ) -> Got {
        let body = Bytes::copy_from_slice(body.as_ref());
        self.block_on(async {
            let client = Client::new(
                BaseUrl::parse(url).unwrap(),
                &TlsRoots::mozilla().unwrap(),
                ClientOptions::default(),
            );
            let mut outgoing = Outgoing::post_json(path, body);
            outgoing.method = method;
            for (name, value) in headers {
                let name: HeaderName = name.parse().unwrap();
                outgoing
                    .headers
                    .insert(name, HeaderValue::from_str(value).unwrap());
            }
            let answer = client.unwrap().send(outgoing).await.unwrap();
            let (status, headers) = (answer.status(), answer.headers().clone());
            Got {
                status,
                headers,
                body: answer.collect(64 << 20).await.unwrap(),
            }
        })
    }

    /// Asks a chat question.
    pub(crate) fn ask(&self, url: &str, body: &str, headers: &[(&str, &str)]) -> Got {
        self.send(url, Method::POST, "/v1/chat/completions", body, headers)
    }
}

/// As many open files as this process may have.
pub(crate) fn raise_open_files() {
    let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current = limit.maximum;
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
}

/// Tries until it holds; a bound on time, not on the number of tries.
#[track_caller]
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(
            started.elapsed() < PATIENCE,
            "it never came to hold: {what}"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Ids, keys, times and paths, which differ from run to run, as words.
pub(crate) fn redacted(text: &str, home: &Home) -> String {
    let text = text.replace(home.dir.path().to_str().unwrap(), "HOME");
    let mut out = String::new();
    for line in text.lines() {
        let words: Vec<String> = line.split(' ').map(redacted_word).collect();
        out.push_str(&words.join(" "));
        out.push('\n');
    }
    out
}

fn redacted_word(word: &str) -> String {
    let is_hex = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_hexdigit());
    let core = word.trim_end_matches(['.', ',', ';', ':', ')']);
    let tail = word.get(core.len()..).unwrap_or_default();
    let shown = if core.len() == 36 && core.split('-').all(is_hex) {
        "ID".to_owned()
    } else if core.len() == 10 && core.starts_with("20") && core.matches('-').count() == 2 {
        "DATE".to_owned()
    } else if core.len() == 8 && core.matches(':').count() == 2 {
        "TIME".to_owned()
    } else if let Some(rest) = core.strip_prefix("operator-") {
        format!("OPERATOR{}", rest.get(8..).unwrap_or_default())
    } else {
        core.to_owned()
    };
    format!("{shown}{tail}")
}

/// Whether a file is there, for messages.
pub(crate) fn exists(path: &Path) -> bool {
    path.exists()
}
