//! What to answer: a function of the request and nothing else.

mod chat;
mod embeddings;
mod sample;
mod text;

pub(super) use chat::reply_to_chat;
pub(super) use embeddings::{Vectors, embed};
pub(super) use text::reply_to_completion;

use super::behavior::{ALIAS, Behavior};
use super::failure::Failure;
use super::params::Params;

/// An answer before it is written.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) model: String,
    pub(super) fingerprint: String,
    pub(super) choices: Vec<ReplyChoice>,
    pub(super) usage: ReplyUsage,
    /// How many alternatives per token, if log probabilities are asked for.
    pub(super) logprobs: Option<usize>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct ReplyChoice {
    /// The content in the pieces in which it is streamed.
    pub(super) content: Vec<String>,
    pub(super) refusal: Vec<String>,
    pub(super) reasoning: Vec<String>,
    pub(super) calls: Vec<ReplyCall>,
    pub(super) finish: &'static str,
}

#[derive(Debug, Clone)]
pub(super) struct ReplyCall {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) arguments: Vec<String>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct ReplyUsage {
    pub(super) input: usize,
    pub(super) output: usize,
}

/// Parameters that chats and text completions share.
#[derive(Debug)]
struct Common<'a> {
    model: &'a str,
    behavior: Behavior,
    n: u64,
    max_tokens: Option<u64>,
    stop: Vec<&'a str>,
    seed: Option<i64>,
}

impl<'a> Common<'a> {
    fn read(params: &'a Params, behavior: Behavior) -> Result<Self, Failure> {
        for (name, least, most) in [
            ("temperature", 0.0, 2.0),
            ("top_p", 0.0, 1.0),
            ("presence_penalty", -2.0, 2.0),
            ("frequency_penalty", -2.0, 2.0),
        ] {
            params.check_decimal(name, least, most)?;
        }
        if params.value("stream_options").is_some() && !params.flag("stream")? {
            let message =
                "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
            let failure = Failure::new(400, "invalid_request_error", message);
            return Err(failure);
        }
        let stop = params.texts("stop")?;
        if stop.len() > 4 {
            let message = format!(
                "Invalid 'stop': array too long. Expected at most 4 items, but got {} items.",
                stop.len()
            );
            return Err(Failure::invalid("stop", "array_above_max_length", message));
        }
        let longest = params.count("max_completion_tokens", 1, u64::MAX)?;
        Ok(Self {
            model: params.model()?,
            behavior,
            n: params.count("n", 1, 128)?.unwrap_or(1),
            max_tokens: longest.or(params.count("max_tokens", 1, u64::MAX)?),
            stop,
            seed: params.integer("seed")?,
        })
    }

    /// The choices that say `text`, cut as the parameters and the model's name ask for.
    fn say(&self, text: &str) -> Vec<ReplyChoice> {
        let full = match self.behavior {
            Behavior::Words { count } => words(count),
            Behavior::Huge { bytes } => {
                "0123456789abcdef".repeat(bytes / 16 + 1)[..bytes].to_owned()
            }
            _ => text.to_owned(),
        };
        (0..self.n)
            .map(|index| {
                self.choice(&if index == 0 {
                    full.clone()
                } else {
                    format!("Take {}. {full}", index + 1)
                })
            })
            .collect()
    }

    fn choice(&self, text: &str) -> ReplyChoice {
        let cut = self
            .stop
            .iter()
            .filter(|stop| !stop.is_empty())
            .filter_map(|stop| text.find(*stop))
            .min();
        let mut content = pieces(text.get(..cut.unwrap_or(text.len())).unwrap_or_default());
        let mut finish = "stop";
        if self.behavior == Behavior::ContentFilter {
            content.truncate(content.len() / 2);
            finish = "content_filter";
        }
        if let Some(most) = self.max_tokens
            && u64::try_from(content.len()).unwrap_or(u64::MAX) > most
        {
            content.truncate(usize::try_from(most).unwrap_or(usize::MAX));
            finish = "length";
        }
        match self.behavior {
            Behavior::Refusal => {
                let refusal = pieces("I'm sorry, I can't help with that.");
                ReplyChoice {
                    refusal,
                    finish,
                    ..ReplyChoice::default()
                }
            }
            Behavior::Reasoning => {
                let reasoning = pieces("The user said something. I will repeat it.");
                ReplyChoice {
                    content,
                    reasoning,
                    finish,
                    ..ReplyChoice::default()
                }
            }
            _ => ReplyChoice {
                content,
                finish,
                ..ReplyChoice::default()
            },
        }
    }

    fn finish(self, choices: Vec<ReplyChoice>, input: usize, logprobs: Option<usize>) -> Reply {
        let output: usize = choices.iter().map(ReplyChoice::tokens).sum();
        let factor = if self.behavior == Behavior::LieUsage {
            10
        } else {
            1
        };
        Reply {
            model: if self.behavior == Behavior::Alias {
                ALIAS
            } else {
                self.model
            }
            .to_owned(),
            fingerprint: fingerprint(self.model, self.seed),
            choices,
            usage: ReplyUsage {
                input: input * factor,
                output: output * factor,
            },
            logprobs,
        }
    }
}

impl ReplyChoice {
    fn tokens(&self) -> usize {
        let calls: usize = self.calls.iter().map(|call| call.arguments.len() + 1).sum();
        self.content.len() + self.refusal.len() + self.reasoning.len() + calls
    }
}

/// The tokens of a text: they begin at spaces and have at most 8 characters, so that they join to the text again.
/// Text without spaces goes in pieces of 4 KiB.
fn pieces(text: &str) -> Vec<String> {
    let longest = if text.len() > 65_536 { 4096 } else { 8 };
    let mut pieces: Vec<String> = Vec::new();
    let mut piece = String::new();
    for c in text.chars() {
        if (c == ' ' && !piece.is_empty()) || piece.len() >= longest {
            pieces.push(std::mem::take(&mut piece));
        }
        piece.push(c);
    }
    if !piece.is_empty() {
        pieces.push(piece);
    }
    pieces
}

fn words(count: usize) -> String {
    const WORDS: [&str; 8] = [
        "proof", "mark", "barrel", "crown", "stamp", "house", "view", "ledger",
    ];
    let words: Vec<&str> = WORDS.iter().cycle().take(count).copied().collect();
    words.join(" ")
}

/// FNV-1a, which is as much of a fingerprint as a mock needs.
fn fnv(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

fn fingerprint(model: &str, seed: Option<i64>) -> String {
    let seed = seed.map(i64::to_le_bytes);
    format!(
        "fp_{:010x}",
        fnv(model.bytes().chain(seed.into_iter().flatten())) & 0xff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_join_to_the_text() {
        for text in [
            "",
            "a",
            " a",
            "You said: What is a ",
            "Donaudampfschifffahrt é😀é😀é😀é😀",
            "  two",
        ] {
            assert_eq!(pieces(text).concat(), text);
        }
        assert_eq!(pieces("You said: x"), ["You", " said:", " x"]);
    }

    #[test]
    fn fingerprints_follow_model_and_seed() {
        assert_eq!(fingerprint("m", Some(1)), fingerprint("m", Some(1)));
        assert_ne!(fingerprint("m", Some(1)), fingerprint("m", Some(2)));
        assert_ne!(fingerprint("m", None), fingerprint("n", None));
        assert_eq!(fingerprint("m", None).len(), 13);
    }
}
