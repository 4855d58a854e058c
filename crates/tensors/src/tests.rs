//! Files, requests and answers: what is read, and what is refused.

use std::string::{String, ToString as _};
use std::vec::Vec;
use std::{format, vec};

use proptest::prelude::*;

use super::*;

fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let length = u16::try_from(header.len()).unwrap().to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), data].concat()
}

/// A stored archive, as `numpy.savez` writes it.
fn npz(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, data) in entries {
        let at = u32::try_from(file.len()).unwrap();
        let size = u32::try_from(data.len()).unwrap().to_le_bytes();
        let name_length = u16::try_from(name.len()).unwrap().to_le_bytes();
        file.extend(b"PK\x03\x04");
        file.extend([0; 14]);
        file.extend([size, size].concat());
        file.extend(name_length);
        file.extend([0, 0]);
        file.extend(name.as_bytes());
        file.extend(data);
        directory.extend(b"PK\x01\x02");
        directory.extend([0; 16]);
        directory.extend([size, size].concat());
        directory.extend(name_length);
        directory.extend([0; 12]);
        directory.extend(at.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let count = u16::try_from(entries.len()).unwrap().to_le_bytes();
    let start = u32::try_from(file.len()).unwrap().to_le_bytes();
    let size = u32::try_from(directory.len()).unwrap().to_le_bytes();
    file.extend(&directory);
    file.extend(b"PK\x05\x06\0\0\0\0");
    file.extend([count, count].concat());
    file.extend(size);
    file.extend(start);
    file.extend([0, 0]);
    file
}

fn real(shape: &[u32], numbers: &[f64]) -> Tensor {
    Tensor::new(shape.to_vec(), Numbers::Real(numbers.to_vec())).unwrap()
}

fn integer(shape: &[u32], numbers: &[i64]) -> Tensor {
    Tensor::new(shape.to_vec(), Numbers::Integer(numbers.to_vec())).unwrap()
}

#[test]
fn npy_files_are_read_and_what_is_not_one_is_refused() {
    let floats: Vec<u8> = [1.5_f32, -2.0]
        .iter()
        .flat_map(|x| x.to_le_bytes())
        .collect();
    let read = |bytes: &[u8]| read_npy(bytes, 100);
    assert_eq!(
        read(&npy("<f4", "(1, 2)", &floats)),
        Ok(real(&[1, 2], &[1.5, -2.0]))
    );
    assert_eq!(read(&npy("|u1", "()", &[7])), Ok(integer(&[], &[7])));
    assert_eq!(
        read(&npy("<f2", "(3,)", &[0, 0x3c, 1, 0, 0, 0xc0])),
        Ok(real(&[3], &[1.0, f64::powi(2.0, -24), -2.0]))
    );
    for (descr, shape, data) in [
        ("<f4", "(1, 3)", &floats[..]),
        ("<f4", "(1, 2)", &floats[..7]),
        (">f4", "(1, 2)", &floats),
        ("<c8", "(1,)", &floats),
        ("|O", "(1, 2)", &floats),
        ("<f4", "(4294967295, 4294967295, 4294967295)", &floats),
        ("<f4", "(1, -2)", &floats),
        ("<f4", "(0,)", &[]),
    ] {
        assert!(read(&npy(descr, shape, data)).is_err(), "{descr} {shape}");
    }
    let whole = npy("<f4", "(1, 2)", &floats);
    for end in 0..whole.len() {
        assert!(read(&whole[..end]).is_err(), "{end}");
    }
    assert!(matches!(
        read_npy(&whole, 1),
        Err(TensorError::TooLarge { .. })
    ));
    let columns = String::from_utf8(npy("|u1", "(1, 2)", &[1, 2]).split_off(10)).unwrap();
    let columns = columns.replace("False", "True ");
    let columns = [
        &whole[..8],
        &u16::try_from(columns.len() - 2).unwrap().to_le_bytes(),
        columns.as_bytes(),
    ]
    .concat();
    assert_eq!(read(&columns).unwrap_err().what(), "columns come first");
}

#[test]
fn npy_files_are_written_as_they_are_read() {
    for tensor in [
        real(&[2, 1], &[0.1, -3e200]),
        integer(&[], &[i64::MIN]),
        integer(&[1, 1, 1, 1, 1, 1, 3], &[1, 2, 3]),
    ] {
        let file = write_npy(&tensor);
        assert_eq!(read_npy(&file, 3), Ok(tensor));
    }
}

#[test]
fn npz_files_are_read_and_compressed_ones_are_refused() {
    let whole = npz(&[
        ("x.npy", npy("|u1", "(2,)", &[1, 2])),
        ("label.npy", npy("|i1", "()", &[255])),
    ]);
    let read = read_npz(&whole, 3).unwrap();
    assert_eq!(
        read,
        [
            ("x".to_string(), integer(&[2], &[1, 2])),
            ("label".to_string(), integer(&[], &[-1]))
        ]
    );
    assert!(matches!(
        read_npz(&whole, 2),
        Err(TensorError::TooLarge { .. })
    ));
    let same = npz(&[
        ("x.npy", npy("|u1", "()", &[1])),
        ("x.npy", npy("|u1", "()", &[2])),
    ]);
    assert_eq!(
        read_npz(&same, 9).unwrap_err().what(),
        "two entries of one name"
    );
    let at = whole.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    let mut compressed = whole.clone();
    compressed[at + 10] = 8;
    assert!(
        read_npz(&compressed, 9)
            .unwrap_err()
            .what()
            .contains("savez")
    );
    for end in 0..whole.len() {
        assert!(read_npz(&whole[..end], 9).is_err(), "{end}");
    }
}

#[test]
fn safetensors_files_are_written_and_read_back() {
    let (x, y) = (real(&[2, 1], &[0.1, -3e200]), integer(&[], &[i64::MIN]));
    let file = write_safetensors(&[("x", &x), ("y", &y)], &[("model", "a \"b\"")]);
    assert!(is_safetensors(&file));
    let read = read_safetensors(&file, 3).unwrap();
    assert_eq!(read.tensors, [("x".to_string(), x), ("y".to_string(), y)]);
    assert_eq!(read.text("model"), Some("a \"b\""));
    assert!(matches!(
        read_safetensors(&file, 2),
        Err(TensorError::TooLarge { .. })
    ));
    for end in 0..file.len() {
        assert!(read_safetensors(&file[..end], 9).is_err(), "{end}");
    }
    let of = |header: &str| {
        let length = (header.len() as u64).to_le_bytes();
        [&length[..], header.as_bytes(), &[0; 8]].concat()
    };
    for header in [
        r#"{"x":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#,
        r#"{"x":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#,
        r#"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}}"#,
        r#"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,18446744073709551615]}}"#,
        r#"{"x":{"dtype":"F32","shape":[4294967296],"data_offsets":[0,8]}}"#,
        r#"{"x":{"dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8]}}"#,
        r#"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
        r#"{"__metadata__":{"model":7}}"#,
        "[]",
    ] {
        assert!(read_safetensors(&of(header), 9).is_err(), "{header}");
    }
    assert!(read_safetensors(&[0xff; 16], 9).is_err());
}

#[test]
fn requests_are_read_in_both_forms() {
    let json = br#"{"model":"m","inputs":{"a":[[1,2],[3,4]],"b":{"shape":[1,2],"data":[1,0.5]},"c":7},"user":"u"}"#;
    let request = InferRequest::read(json).unwrap();
    let c = integer(&[], &[7]);
    let (a, b) = (integer(&[2, 2], &[1, 2, 3, 4]), real(&[1, 2], &[1.0, 0.5]));
    assert_eq!(request.unknown, ["user"]);
    let file = write_safetensors(
        &[("a", &a), ("b", &b), ("c", &c)],
        &[("model", "m"), ("user", "u")],
    );
    let same = InferRequest::read(&file).unwrap();
    assert_eq!(
        (&same.model, &same.inputs),
        (&request.model, &request.inputs)
    );
    assert_eq!(same.unknown, ["__metadata__.user"]);
    // A number of more than 63 bits makes the tensor a real one.
    let large =
        InferRequest::read(br#"{"model":"m","inputs":{"a":[1,9223372036854775808]}}"#).unwrap();
    assert_eq!(
        large.inputs[0].1,
        real(&[2], &[1.0, 9_223_372_036_854_775_808.0])
    );
}

#[test]
fn requests_that_are_none_name_the_member_at_fault() {
    let param = |body: &str| {
        let error = InferRequest::read(body.as_bytes()).unwrap_err();
        error.param().map(String::from)
    };
    for (body, at) in [
        (r#"{"inputs":{"a":1}}"#, "model"),
        (r#"{"model":7,"inputs":{"a":1}}"#, "model"),
        (r#"{"model":"m"}"#, "inputs"),
        (r#"{"model":"m","inputs":[1]}"#, "inputs"),
        (r#"{"model":"m","inputs":{}}"#, "inputs"),
        (r#"{"model":"m","inputs":{"a":[[1],[2,3]]}}"#, "inputs.a"),
        (r#"{"model":"m","inputs":{"a":[[1],2]}}"#, "inputs.a"),
        (r#"{"model":"m","inputs":{"a":[1,[2]]}}"#, "inputs.a"),
        (r#"{"model":"m","inputs":{"a":[[],[]]}}"#, "inputs.a"),
        (
            r#"{"model":"m","inputs":{"a":[[[[[[[[1]]]]]]]]}}"#,
            "inputs.a",
        ),
        (r#"{"model":"m","inputs":{"a":["1"]}}"#, "inputs.a"),
        (r#"{"model":"m","inputs":{"a":[null]}}"#, "inputs.a"),
        (r#"{"model":"m","inputs":{"a":{"data":[1]}}}"#, "inputs.a"),
        (
            r#"{"model":"m","inputs":{"a":{"shape":[2],"data":[1]}}}"#,
            "inputs.a",
        ),
        (
            r#"{"model":"m","inputs":{"a":{"shape":[1],"data":[[1]]}}}"#,
            "inputs.a",
        ),
        (
            r#"{"model":"m","inputs":{"a":{"shape":[1],"data":[1],"dtype":"F32"}}}"#,
            "inputs.a",
        ),
    ] {
        assert_eq!(param(body).as_deref(), Some(at), "{body}");
    }
    assert!(InferRequest::read(br#"{"model":"m","inputs":{"a":1,"a":2}}"#).is_err());
    let without = write_safetensors(&[("a", &integer(&[], &[1]))], &[]);
    assert_eq!(
        InferRequest::read(&without).unwrap_err().param(),
        Some("__metadata__.model")
    );
    let many = format!(
        r#"{{"model":"m","inputs":{{"a":[{}0]}}}}"#,
        "0,".repeat(MAX_ELEMENTS)
    );
    assert_eq!(param(&many).as_deref(), Some("inputs.a"));
}

fn outputs() -> Vec<EncodedTensor> {
    let output = |name: &str, shape: &[u32], elements: &[i32], scale: Option<f64>| EncodedTensor {
        name: name.to_string(),
        shape: shape.to_vec(),
        elements: elements.to_vec(),
        scale_bits: scale.map(f64::to_bits),
    };
    vec![
        output(
            "logits",
            &[1, 3],
            &[i32::MIN, 0, i32::MAX],
            Some(0.001_234_567_89),
        ),
        output("a/b~c", &[], &[-7], None),
        output("tiny", &[2], &[1, -1], Some(1e-300)),
    ]
}

const HEAD: AnswerHead<'_> = AnswerHead {
    model: "m",
    fingerprint: "fp_1",
    receipt: "id",
    url: "/v1/receipts/id",
};

#[test]
fn answers_in_both_forms_give_the_integers_back() {
    let json = json_outputs(HEAD, &outputs());
    assert_eq!(read_answer(json.as_bytes()).unwrap(), outputs());
    assert_eq!(
        read_answer(&safetensors_outputs(HEAD, &outputs())).unwrap(),
        outputs()
    );
    for (name, value) in output_fields(&outputs()) {
        let output = output_of_field(&name, &value).unwrap();
        assert!(outputs().contains(&output));
        assert_eq!(output_of_field("outputs/other", &value), None);
    }
    assert_eq!(output_fields(&outputs())[0].0, "outputs/a~1b~0c");
}

#[test]
fn an_answer_with_another_number_or_scale_is_another_one_or_none() {
    let json = json_outputs(HEAD, &outputs()[1..]);
    assert!(json.contains("1e-300"));
    let scaled = json.replace("\"scale\":1e-300", "\"scale\":5e-301");
    assert_ne!(read_answer(scaled.as_bytes()).unwrap(), outputs()[1..]);
    let between = json.replace("[1e-300,", "[1.5e-300,");
    assert!(read_answer(between.as_bytes()).is_err());
    let beyond = json.replace("[-7]", "[2147483648]");
    assert!(read_answer(beyond.as_bytes()).is_err());
    for name in ["", "__metadata__", &"n".repeat(257)] {
        let named = json.replace("a/b~c", name);
        assert!(read_answer(named.as_bytes()).is_err(), "{name}");
    }
    let real = json.replace("[-7]", "[-7.5]");
    assert!(read_answer(real.as_bytes()).is_err());
}

#[test]
fn encoded_inputs_are_read_back_and_nothing_else_is() {
    let inputs: Vec<EncodedTensor> = outputs()
        .into_iter()
        .map(|output| EncodedTensor {
            scale_bits: None,
            ..output
        })
        .collect();
    let bytes = EncodedTensor::encode_inputs(&inputs);
    assert_eq!(EncodedTensor::decode_inputs(&bytes).unwrap(), inputs);
    for end in 0..bytes.len() {
        assert!(EncodedTensor::decode_inputs(&bytes[..end]).is_err());
    }
    assert!(EncodedTensor::decode_inputs(&[&bytes[..], &[0]].concat()).is_err());
    // [["", false, [2], h'00000000']]: one element for two places; and one that says that it is by position.
    assert!(EncodedTensor::decode_inputs(b"\x81\x84\x60\xf4\x81\x02\x44\0\0\0\0").is_err());
    assert!(EncodedTensor::decode_inputs(b"\x81\x84\x60\xf5\x81\x01\x44\0\0\0\0").is_err());
    assert!(EncodedTensor::decode_inputs(b"\x81\x84\x60\xf4\x81\x01\x44\0\0\0\0").is_ok());
}

proptest! {
    #[test]
    fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = InferRequest::read(&bytes);
        let _ = read_answer(&bytes);
        let _ = read_npy(&bytes, 64);
        let _ = read_npz(&bytes, 64);
        let _ = read_safetensors(&bytes, 64);
        let _ = EncodedTensor::decode_inputs(&bytes);
        let _ = EncodedTensor::decode_output(&bytes);
    }

    /// Mutated files of every format: the parsers get behind the first bytes.
    #[test]
    fn nothing_panics_on_almost_right_files(at in 0_usize..4_000, byte: u8, which in 0_usize..5) {
        let x = real(&[2], &[1.0, 2.0]);
        let mut files = [
            npy("<f4", "(1, 2)", &[0; 8]),
            npz(&[("x.npy", npy("|u1", "(2,)", &[1, 2]))]),
            write_safetensors(&[("x", &x)], &[("model", "m")]),
            json_outputs(HEAD, &outputs()).into_bytes(),
            safetensors_outputs(HEAD, &outputs()),
        ];
        let file = &mut files[which];
        let at = at % file.len();
        file[at] = byte;
        let _ = (read_npy(file, 64), read_npz(file, 64), read_safetensors(file, 64), read_answer(file), InferRequest::read(file));
    }

    #[test]
    fn every_multiple_is_found_again(q: i32, scale in 1e-9_f64..1e9) {
        let output = EncodedTensor { name: "y".to_string(), shape: vec![1], elements: vec![q], scale_bits: Some(scale.to_bits()) };
        let json = json_outputs(HEAD, core::slice::from_ref(&output));
        prop_assert_eq!(read_answer(json.as_bytes()).unwrap(), [output]);
    }
}
