//! Files of numbers, requests, answers and encoded tensors: one reading, and what is read is written so that it is read the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proofmark_tensors::{
    AnswerHead, EncodedTensor, InferRequest, Tensor, json_outputs, output_fields, output_of_field,
    read_answer, read_npy, read_npz, read_safetensors, safetensors_outputs, write_npy,
    write_safetensors,
};

/// Most numbers of a file.
const MOST: usize = 1 << 16;

fn is_finite(tensor: &Tensor) -> bool {
    let numbers = tensor.numbers().clone().into_reals();
    numbers.iter().all(|x| x.is_finite())
}

fuzz_target!(|data: &[u8]| {
    if let Ok(tensor) = read_npy(data, MOST)
        && is_finite(&tensor)
    {
        assert_eq!(read_npy(&write_npy(&tensor), MOST), Ok(tensor));
    }
    if let Ok(tensors) = read_npz(data, MOST) {
        let elements: usize = tensors
            .iter()
            .map(|(_, tensor)| tensor.numbers().len())
            .sum();
        assert!(elements <= MOST);
    }
    if let Ok(file) = read_safetensors(data, MOST) {
        let tensors: Vec<(&str, &Tensor)> = file
            .tensors
            .iter()
            .map(|(name, t)| (name.as_str(), t))
            .collect();
        let texts: Vec<(&str, &str)> = file
            .metadata
            .iter()
            .map(|(n, t)| (n.as_str(), t.as_str()))
            .collect();
        let again = read_safetensors(&write_safetensors(&tensors, &texts), MOST);
        if tensors.iter().all(|(_, tensor)| is_finite(tensor)) {
            assert_eq!(again, Ok(file));
        }
    }
    if let Ok(request) = InferRequest::read(data) {
        assert!(!request.inputs.is_empty());
    }
    if let Ok(inputs) = EncodedTensor::decode_inputs(data) {
        assert_eq!(EncodedTensor::encode_inputs(&inputs), data);
    }
    if let Ok(output) = EncodedTensor::decode_output(data) {
        assert_eq!(output.encode_output(), data);
    }
    if let Ok(outputs) = read_answer(data) {
        let head = AnswerHead {
            model: "m",
            fingerprint: "fp",
            receipt: "id",
            url: "/",
        };
        // Whatever an answer determines, an answer that is written of it determines again.
        let finite = outputs.iter().all(|o| {
            o.scale_bits
                .is_none_or(|bits| f64::from_bits(bits).is_finite())
        });
        if finite && outputs.iter().all(|o| o.shown().all(f64::is_finite)) {
            let written = [
                json_outputs(head, &outputs).into_bytes(),
                safetensors_outputs(head, &outputs),
            ];
            for answer in written {
                let again = read_answer(&answer);
                // A scale of zero or of so few bits that multiples coincide determines nothing: no program has one.
                if outputs.iter().all(|o| {
                    o.scale_bits
                        .is_none_or(|bits| f64::from_bits(bits).is_normal())
                }) {
                    assert_eq!(again.as_ref(), Ok(&outputs));
                }
            }
        }
        for (name, value) in output_fields(&outputs) {
            let output = output_of_field(&name, &value).expect("a field of our own");
            assert!(outputs.contains(&output));
        }
    }
});
