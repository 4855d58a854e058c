use super::*;

fn with(changes: &[(&str, Value)]) -> Result<DecoderConfig, ImportError> {
    let mut config = serde_json::json!({
        "model_type": "llama", "vocab_size": 32, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64, "rms_norm_eps": 1e-5
    });
    for (key, value) in changes {
        config[*key] = value.clone();
    }
    parse_config(config.to_string().as_bytes())
}

fn refused(changes: &[(&str, Value)], name: &str) {
    let error = with(changes).unwrap_err();
    let kind = error.kind();
    assert!(matches!(
        kind,
        crate::ErrorKind::Rejected | crate::ErrorKind::Malformed
    ));
    assert!(error.to_string().contains(name), "{error}");
}

#[test]
fn settings_that_change_the_answer_are_refused_by_name() {
    refused(&[("model_type", "mixtral".into())], "mixtral");
    refused(&[("num_local_experts", 8.into())], "num_local_experts");
    refused(&[("logit_scale", 0.5.into())], "logit_scale");
    refused(
        &[(
            "rope_scaling",
            serde_json::json!({"rope_type": "yarn", "factor": 4.0}),
        )],
        "yarn",
    );
    refused(
        &[(
            "rope_scaling",
            serde_json::json!({"type": "linear", "factor": 4.0, "mscale": 1.0}),
        )],
        "mscale",
    );
    refused(&[("hidden_act", "relu2".into())], "relu2");
    refused(
        &[(
            "quantization_config",
            serde_json::json!({"quant_method": "gptq"}),
        )],
        "gptq",
    );
    refused(&[("pretraining_tp", 2.into())], "pretraining_tp");
    refused(&[("num_key_value_heads", 3.into())], "key/value");
    refused(&[("hidden_size", 0.into())], "hidden_size");
    refused(&[("hidden_size", (-1).into())], "hidden_size");
    refused(&[("rms_norm_eps", (-1e-5).into())], "rms_norm_eps");
    refused(
        &[("num_hidden_layers", 1_000_000_000_000_u64.into())],
        "num_hidden_layers",
    );
}

#[test]
fn settings_that_are_off_are_passed_over() {
    let config = with(&[
        ("num_local_experts", Value::Null),
        ("use_moe", false.into()),
    ])
    .unwrap();
    assert_eq!(config.head_dim, 4);
    assert_eq!(config.windows, [0, 0]);
}

#[test]
fn layers_are_bounded_before_anything_is_made_for_each() {
    let error = with(&[("num_hidden_layers", 1025.into())]).unwrap_err();
    assert!(matches!(error, ImportError::TooLarge { got: 1025, .. }));
}

#[test]
fn windows_are_those_of_the_family() {
    let mistral = with(&[
        ("model_type", "mistral".into()),
        ("sliding_window", 8.into()),
    ])
    .unwrap();
    assert_eq!(mistral.windows, [8, 8]);
    let qwen = [
        ("model_type", "qwen2".into()),
        ("sliding_window", 8.into()),
        ("max_window_layers", 1.into()),
    ];
    assert_eq!(with(&qwen).unwrap().windows, [0, 0]);
    let mut used = qwen.to_vec();
    used.push(("use_sliding_window", true.into()));
    assert_eq!(with(&used).unwrap().windows, [0, 8]);
}

#[test]
fn damaged_files_are_errors() {
    for bytes in [
        &b""[..],
        b"[]",
        b"{",
        b"\xff",
        b"{\"model_type\": 3}",
        b"{\"model_type\": \"llama\"}",
    ] {
        assert!(parse_config(bytes).is_err());
    }
    let deep = "[".repeat(100_000);
    assert!(parse_config(deep.as_bytes()).is_err());
}
