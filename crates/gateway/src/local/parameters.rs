//! The parameters of an execution as receipts have them.

use proofmark_engine::Generation;
use proofmark_openai::JsonText;

/// Name and JSON text of every parameter as used, by name: the integers of specs/04-program.md §7.1, and where an answer ends.
#[must_use]
pub fn parameters(generation: &Generation) -> Vec<(String, String)> {
    let sampling = &generation.sampling;
    let numbers: [(&str, i64); 9] = [
        ("choices", generation.choices.into()),
        ("frequency_penalty", sampling.frequency_penalty.into()),
        ("max_tokens", generation.max_tokens.into()),
        ("min_p", sampling.min_p.into()),
        ("presence_penalty", sampling.presence_penalty.into()),
        ("repetition_penalty", sampling.repetition_penalty.into()),
        ("temperature", sampling.temperature.into()),
        ("top_k", sampling.top_k.into()),
        ("top_p", sampling.top_p.into()),
    ];
    let mut all: Vec<(String, String)> = numbers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.to_string()))
        .collect();
    if !sampling.logit_bias.is_empty() {
        let pairs: Vec<String> = sampling
            .logit_bias
            .iter()
            .map(|(id, units)| format!("\"{id}\":{units}"))
            .collect();
        all.push(("logit_bias".to_owned(), format!("{{{}}}", pairs.join(","))));
    }
    if !generation.stop.is_empty() {
        let stop = generation.stop.iter().map(|stop| JsonText::string(stop));
        all.push(("stop".to_owned(), JsonText::array(stop).into_json()));
    }
    all.sort_unstable();
    all
}
