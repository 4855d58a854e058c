//! Answers are those of the model alone, whatever else goes on.

use std::sync::Arc;

use proofmark_kernels::Isa;
use proofmark_program::{Sampler, SamplerScratch, SamplingParameters, reference};

use super::{Choice, Engine, EngineOptions, Event, FinishReason, GenerateRequest, Prompt};
use crate::chat::Chat;
use crate::error::{ModelError, RequestError};
use crate::model::{Model, ModelOptions};
use crate::replay::{Replay, ReplayJob, Replayer};
use crate::shapes::LlamaShape;

const TINY: LlamaShape = LlamaShape {
    vocabulary: 270,
    max_positions: 300,
    width: 24,
    layers: 2,
    heads: 4,
    groups: 2,
    head: 6,
    inner: 40,
};

fn model() -> Arc<Model> {
    let files = TINY.files(7).unwrap();
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
        .collect();
    Arc::new(Model::from_bytes(&files, &ModelOptions::default()).unwrap())
}

fn engine(options: EngineOptions) -> Engine {
    Engine::start(model(), options).unwrap()
}

fn small() -> EngineOptions {
    EngineOptions {
        threads: 2,
        memory_bytes: 64 << 20,
        max_sequences: 4,
        step_rows: 48,
        ..EngineOptions::default()
    }
}

fn request(ids: Vec<u32>, seed: u64, max_tokens: u32) -> GenerateRequest {
    GenerateRequest {
        max_tokens: Some(max_tokens),
        seed,
        ..GenerateRequest::new(Prompt::Ids(ids))
    }
}

fn prompt(seed: u32, count: u32) -> Vec<u32> {
    (0..count)
        .map(|t| (seed * 97 + t * t * 5 + t * 11) % 250)
        .collect()
}

/// The answer, one id after another by the reference interpreter.
fn plain(ids: &[u32], seed: u64, choice: u32, max_tokens: usize) -> Vec<u32> {
    let (program, weights) = TINY.program(7).unwrap();
    let program = program.check(weights).unwrap();
    let mut sampler = Sampler::new(SamplingParameters::default(), 270, seed, choice, ids).unwrap();
    let mut scratch = SamplerScratch::default();
    let mut all = ids.to_vec();
    while all.len() < ids.len() + max_tokens && (all.len() == ids.len() || all.last() != Some(&258))
    {
        let logits = reference::decoder(&program, &all).unwrap().elements;
        all.push(
            sampler
                .sample(&logits[logits.len() - 270..], &mut scratch)
                .unwrap(),
        );
    }
    all.split_off(ids.len())
}

fn ids_of(engine: &Engine, request: GenerateRequest) -> Vec<u32> {
    let answer = engine
        .generate(request)
        .unwrap()
        .collect_blocking()
        .unwrap();
    answer[0].ids.clone()
}

#[test]
fn an_answer_is_what_the_reference_gives() {
    let engine = engine(small());
    let ids = prompt(1, 70);
    assert_eq!(
        ids_of(&engine, request(ids.clone(), 5, 8)),
        plain(&ids, 5, 0, 8)
    );
    let other = prompt(2, 3);
    assert_eq!(
        ids_of(&engine, request(other.clone(), 6, 8)),
        plain(&other, 6, 0, 8)
    );
}

/// Many requests at once, some with equal beginnings, under options that make them wait, share and begin again.
fn crowd(options: EngineOptions) -> Vec<Vec<Choice>> {
    let engine = engine(options);
    let waiting: Vec<_> = (0..12_u32)
        .map(|number| {
            let mut ids = prompt(number % 3, 140);
            ids.extend(prompt(number, 1 + number));
            let mut request = request(ids, u64::from(number), 40 + number);
            request.choices = 1 + number % 3;
            engine.generate(request).unwrap()
        })
        .collect();
    waiting
        .into_iter()
        .map(|generation| generation.collect_blocking().unwrap())
        .collect()
}

#[test]
fn nothing_that_goes_on_besides_changes_an_answer() {
    let alone = crowd(EngineOptions {
        max_sequences: 1,
        ..small()
    });
    assert!(alone.iter().flatten().any(|choice| choice.ids.len() > 30));
    let files = TINY.files(7).unwrap();
    let weights: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
    assert!(weights < 1 << 20);
    for options in [
        small(),
        EngineOptions {
            prefix_cache: false,
            ..small()
        },
        EngineOptions {
            threads: 4,
            max_sequences: 16,
            step_rows: 512,
            ..small()
        },
        EngineOptions {
            event_capacity: 1,
            ..small()
        },
        tight(),
    ] {
        assert_eq!(crowd(options.clone()), alone, "{options:?}");
    }
}

/// Memory for one long sequence and a bit: others are evicted and begin again.
fn tight() -> EngineOptions {
    let model = model();
    let decoder = model.decoder().unwrap();
    let options = small();
    let buffers = decoder.weight_bytes() + decoder.workspace_bytes(48, 64);
    EngineOptions {
        memory_bytes: buffers + 6 * decoder.block_bytes() as u64,
        ..options
    }
}

#[test]
fn memory_bounds_what_is_accepted_before_anything_runs() {
    let options = tight();
    let engine = Engine::start(model(), options.clone()).unwrap();
    assert_eq!(engine.positions(), 300);
    let block = model().decoder().unwrap().block_bytes() as u64;
    let less = EngineOptions {
        memory_bytes: options.memory_bytes - 3 * block,
        ..options.clone()
    };
    let engine = Engine::start(model(), less).unwrap();
    assert!(engine.positions() < 300);
    let refused = engine.generate(request(prompt(1, 290), 0, 5));
    assert!(matches!(
        refused,
        Err(RequestError::ContextTooLong {
            prompt: 290,
            max_tokens: 5,
            ..
        })
    ));
    let none = EngineOptions {
        memory_bytes: 1000,
        ..options
    };
    assert!(matches!(
        Engine::start(model(), none),
        Err(ModelError::Memory { .. })
    ));
}

#[test]
fn a_replay_confirms_answers_and_finds_the_first_change() {
    let engine = engine(small());
    let mut replayer = Replayer::new(model(), 2).unwrap();
    let ids = prompt(4, 100);
    let mut all = request(ids.clone(), 11, 60);
    all.choices = 2;
    let answers = engine.generate(all).unwrap().collect_blocking().unwrap();
    for (choice, answer) in answers.iter().enumerate() {
        let mut job = ReplayJob {
            prompt: ids.clone(),
            answer: answer.ids.clone(),
            sampling: SamplingParameters::default(),
            seed: 11,
            choice: choice as u32,
        };
        assert_eq!(replayer.replay(&job), Ok(Replay::Same));
        job.seed = 12;
        assert!(
            matches!(replayer.replay(&job), Ok(Replay::Differs { .. })),
            "another seed"
        );
        job.seed = 11;
        let at = job.answer.len() / 2;
        let was = job.answer[at];
        job.answer[at] = (was + 1) % 257;
        let found = Replay::Differs {
            position: at,
            expected: was,
            got: (was + 1) % 257,
        };
        assert_eq!(replayer.replay(&job), Ok(found));
    }
}

#[test]
fn a_replay_sees_an_answer_that_went_on_after_its_end() {
    let mut replayer = Replayer::new(model(), 1).unwrap();
    let ids = prompt(4, 10);
    let bias = SamplingParameters {
        logit_bias: vec![(258, 100 << 16)],
        temperature: 0,
        ..SamplingParameters::default()
    };
    let job = ReplayJob {
        prompt: ids,
        answer: vec![258, 258],
        sampling: bias,
        seed: 0,
        choice: 0,
    };
    // Twice the end id is what these parameters give, but nothing follows the first.
    let found = replayer.replay(&job).unwrap();
    assert!(
        matches!(
            found,
            Replay::Continued { position: 0 } | Replay::Differs { .. }
        ),
        "{found:?}"
    );
    let short = ReplayJob {
        answer: vec![258],
        ..job
    };
    let again = replayer.replay(&short).unwrap();
    assert!(matches!(
        again,
        Replay::Same | Replay::Differs { position: 0, .. }
    ));
}

#[test]
fn what_does_not_fit_is_refused_with_counts() {
    let engine = engine(small());
    let refused = engine.generate(request(prompt(1, 295), 0, 6)).map(|_| ());
    let expected = RequestError::ContextTooLong {
        prompt: 295,
        max_tokens: 6,
        positions: 300,
    };
    assert_eq!(refused, Err(expected));
    assert!(engine.generate(request(prompt(1, 295), 0, 5)).is_ok());
    assert_eq!(
        engine.generate(request(vec![], 0, 5)).map(|_| ()),
        Err(RequestError::EmptyPrompt)
    );
    let unknown = RequestError::TokenId {
        id: 270,
        vocabulary: 270,
    };
    assert_eq!(
        engine.generate(request(vec![270], 0, 5)).map(|_| ()),
        Err(unknown)
    );
}

#[test]
fn parameters_out_of_bounds_are_refused() {
    let engine = engine(small());
    let ok = request(vec![1], 0, 5);
    let bad = [
        GenerateRequest {
            choices: 0,
            ..ok.clone()
        },
        GenerateRequest {
            choices: 17,
            ..ok.clone()
        },
        GenerateRequest {
            max_tokens: Some(0),
            ..ok.clone()
        },
        GenerateRequest {
            stop: vec![String::new()],
            ..ok.clone()
        },
        GenerateRequest {
            stop: vec!["x".into(); 17],
            ..ok.clone()
        },
        GenerateRequest {
            top_logprobs: Some(21),
            ..ok.clone()
        },
        GenerateRequest {
            sampling: SamplingParameters {
                temperature: 3_000_000,
                ..SamplingParameters::default()
            },
            ..ok
        },
    ];
    for request in bad {
        let refused = engine.generate(request.clone()).map(|_| ());
        assert!(
            matches!(refused, Err(RequestError::Parameter { .. })),
            "{request:?}"
        );
    }
}

#[test]
fn the_last_position_ends_an_answer() {
    let engine = engine(small());
    let mut request = GenerateRequest::new(Prompt::Ids(prompt(3, 280)));
    request.sampling.logit_bias = vec![(258, -100 << 16)];
    let answer = engine
        .generate(request)
        .unwrap()
        .collect_blocking()
        .unwrap();
    assert_eq!(
        (answer[0].ids.len(), answer[0].finish),
        (20, FinishReason::Length)
    );
}

#[test]
fn text_is_that_of_the_ids_and_stops_before_a_stop_string() {
    let engine = engine(small());
    let model = model();
    let tokenizer = model.tokenizer().unwrap();
    let whole = engine
        .generate(request(prompt(6, 20), 3, 60))
        .unwrap()
        .collect_blocking()
        .unwrap();
    assert_eq!(whole[0].text, tokenizer.decode(&whole[0].ids).unwrap());
    let text: Vec<char> = whole[0].text.chars().collect();
    let stop: String = text[text.len() / 2..text.len() / 2 + 3].iter().collect();
    let mut again = request(prompt(6, 20), 3, 60);
    again.stop = vec![stop.clone()];
    let stopped = engine.generate(again).unwrap().collect_blocking().unwrap();
    assert_eq!(stopped[0].finish, FinishReason::Stop);
    assert_eq!(
        whole[0].text.split(&stop).next(),
        Some(stopped[0].text.as_str())
    );
    assert!(whole[0].ids.starts_with(&stopped[0].ids));
}

#[test]
fn a_conversation_is_answered() {
    let engine = engine(small());
    let chat = Chat::new(r#"[{"role":"user","content":"hello <|im_end|>"}]"#);
    let mut request = GenerateRequest::new(Prompt::Chat(chat));
    request.max_tokens = Some(4);
    request.top_logprobs = Some(3);
    let generation = engine.generate(request).unwrap();
    assert!(generation.prompt.text.ends_with("<|im_start|>assistant\n"));
    assert_eq!(
        generation
            .prompt
            .ids
            .iter()
            .filter(|id| **id == 258)
            .count(),
        1
    );
    let answer = generation.collect_blocking().unwrap();
    assert_eq!(answer[0].logprobs.len(), answer[0].ids.len());
    for (own, top) in &answer[0].logprobs {
        assert!(own.logprob <= 0.0 && top.len() == 3 && top[0].logprob >= own.logprob);
    }
}

#[test]
fn a_dropped_request_is_cancelled_and_a_slow_reader_holds_up_nobody() {
    let engine = engine(EngineOptions {
        event_capacity: 4,
        ..small()
    });
    let mut slow = engine.generate(request(prompt(1, 10), 1, 200)).unwrap();
    let dropped = engine.generate(request(prompt(2, 10), 2, 200)).unwrap();
    drop(dropped);
    let ids = prompt(3, 10);
    assert_eq!(
        ids_of(&engine, request(ids.clone(), 3, 5)),
        plain(&ids, 3, 0, 5)
    );
    let mut events = 0;
    while let Some(event) = slow.events.next_blocking() {
        assert!(!matches!(event, Event::Failed(_)));
        events += 1;
    }
    assert!(events > 1);
    assert_eq!(engine.load().waiting, 0);
}

#[test]
fn a_stopped_engine_says_so() {
    let engine = engine(small());
    let mut request = request(prompt(1, 10), 1, 200);
    request.sampling.logit_bias = vec![(258, -100 << 16)];
    let generations: Vec<_> = (0..8)
        .map(|_| engine.generate(request.clone()).unwrap())
        .collect();
    drop(engine);
    let outcomes: Vec<_> = generations
        .into_iter()
        .map(super::Generation::collect_blocking)
        .collect();
    assert!(
        outcomes
            .iter()
            .all(|o| matches!(o, Ok(_) | Err(RequestError::Stopped)))
    );
    assert!(outcomes.contains(&Err(RequestError::Stopped)));
}

#[test]
fn the_queue_is_bounded() {
    let engine = engine(EngineOptions {
        max_waiting: 2,
        max_sequences: 1,
        event_capacity: 4,
        ..small()
    });
    let mut request = request(prompt(1, 10), 1, 200);
    request.sampling.logit_bias = vec![(258, -100 << 16)];
    let outcomes: Vec<_> = (0..8).map(|_| engine.generate(request.clone())).collect();
    assert!(
        outcomes
            .iter()
            .any(|o| matches!(o, Err(RequestError::Busy { .. })))
    );
    assert!(outcomes.iter().filter(|o| o.is_ok()).count() >= 2);
}

#[test]
fn an_embedding_is_the_sum_of_the_hidden_rows() {
    let engine = engine(small());
    let ids = prompt(5, 130);
    let (program, weights) = TINY.program(7).unwrap();
    let program = program.check(weights).unwrap();
    let proofmark_program::Interface::Decoder {
        hidden: Some(hidden),
        ..
    } = program.program().interface
    else {
        panic!("a decoder with a hidden node");
    };
    let nodes = reference::decoder_nodes(&program, &ids).unwrap();
    let mut sums = vec![0_i64; 24];
    for (index, value) in nodes[hidden.0 as usize].elements.iter().enumerate() {
        sums[index % 24] += i64::from(*value);
    }
    let (_, mut events) = engine.embed(&Prompt::Ids(ids)).unwrap();
    let Some(Event::Embedded(embedding)) = events.next_blocking() else {
        panic!("an embedding");
    };
    assert_eq!((embedding.sums.clone(), embedding.tokens), (sums, 130));
    let norm: f64 = embedding.normalized().iter().map(|x| x * x).sum();
    assert!((norm - 1.0).abs() < 1e-9);
    assert_eq!(events.next_blocking(), None);
}

#[test]
fn exchanged_files_are_refused() {
    let files = TINY.files(7).unwrap();
    for changed in 0..files.len() - 1 {
        let mut files = files.clone();
        let last = files[changed].1.len() - 1;
        files[changed].1[last] ^= 1;
        let files: Vec<(&str, &[u8])> = files
            .iter()
            .map(|(p, b)| (p.as_str(), b.as_slice()))
            .collect();
        let opened = Model::from_bytes(&files, &ModelOptions::default());
        assert!(opened.is_err(), "{}", files[changed].0);
    }
}

#[test]
fn a_model_beyond_the_memory_is_refused_before_its_weights_are_read() {
    let files = TINY.files(7).unwrap();
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .filter(|(path, _)| path != "weights.safetensors")
        .map(|(p, b)| (p.as_str(), b.as_slice()))
        .collect();
    let options = ModelOptions {
        isa: Isa::SCALAR,
        memory_bytes: 20_000,
    };
    assert!(matches!(
        Model::from_bytes(&files, &options),
        Err(ModelError::Memory { .. })
    ));
}

#[test]
fn futures_are_woken() {
    struct Wake(std::thread::Thread);
    impl std::task::Wake for Wake {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let engine = engine(small());
    let generation = engine.generate(request(prompt(1, 10), 1, 10)).unwrap();
    let waker = Arc::new(Wake(std::thread::current())).into();
    let mut context = std::task::Context::from_waker(&waker);
    let mut future = Box::pin(generation.collect());
    let answer = loop {
        match future.as_mut().poll(&mut context) {
            std::task::Poll::Ready(answer) => break answer,
            std::task::Poll::Pending => std::thread::park(),
        }
    };
    assert_eq!(answer.unwrap()[0].ids, plain(&prompt(1, 10), 1, 0, 10));
}
