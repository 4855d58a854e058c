//! A directory as the Hugging Face hub lays it out: `config.json`, one or several safetensors files, tokenizer files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::ImportError;
use crate::config::{DecoderConfig, parse_config};
use crate::decoder::{DecoderSource, Names};
use crate::files::{TEXT_MAX_BYTES, read_if_there, read_whole};
use crate::safetensors::SafetensorsFile;
use crate::source::{FloatModel, TextFiles};
use crate::tensors::{FloatTensor, TensorStore};

const INDEX: &str = "model.safetensors.index.json";
const SINGLE: &str = "model.safetensors";
/// Most files of a sharded model.
const SHARDS_MAX: usize = 1024;

#[derive(Debug, Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// Several safetensors files that are one model.
#[derive(Debug)]
struct Shards {
    files: Vec<SafetensorsFile>,
    place: BTreeMap<String, usize>,
}

impl TensorStore for Shards {
    fn names(&self) -> Vec<String> {
        self.place.keys().cloned().collect()
    }

    fn shape(&self, name: &str) -> Option<Vec<u64>> {
        self.files.get(*self.place.get(name)?)?.shape(name)
    }

    fn tensor(&self, name: &str) -> Result<Option<FloatTensor>, ImportError> {
        match self.place.get(name).and_then(|at| self.files.get(*at)) {
            Some(file) => file.tensor(name),
            None => Ok(None),
        }
    }
}

/// Opens a model directory. Weights are read when they are asked for.
///
/// # Errors
/// A file is missing, malformed or says something that is not supported.
pub fn open_directory(directory: &Path) -> Result<FloatModel, ImportError> {
    let config_bytes = read_whole(&directory.join("config.json"), TEXT_MAX_BYTES)?;
    let config = parse_config(&config_bytes)?;
    let (shards, mut files) = open_shards(directory)?;
    files.push(directory.join("config.json"));
    let text = read_text_files(directory, &config_bytes, &mut files)?;
    let names = if shards
        .place
        .keys()
        .any(|name| name.starts_with("h.") || name.contains(".h.0."))
    {
        Names::Gpt2
    } else {
        Names::Llama
    };
    let decoder = open_decoder(config, Box::new(shards), names)?;
    files.sort();
    Ok(FloatModel {
        format: "safetensors",
        decoder,
        text,
        files,
    })
}

fn open_decoder(
    config: DecoderConfig,
    store: Box<dyn TensorStore + Send + Sync>,
    names: Names,
) -> Result<DecoderSource, ImportError> {
    DecoderSource::open(config, store, names)
}

fn open_shards(directory: &Path) -> Result<(Shards, Vec<PathBuf>), ImportError> {
    let index_path = directory.join(INDEX);
    let Some(index) = read_if_there(&index_path, TEXT_MAX_BYTES)? else {
        let path = directory.join(SINGLE);
        let file = SafetensorsFile::open(&path)?;
        let place = file.names().into_iter().map(|name| (name, 0)).collect();
        let files = vec![file];
        return Ok((Shards { files, place }, vec![path]));
    };
    let index: Index = serde_json::from_slice(&index)
        .map_err(|error| ImportError::malformed(INDEX, error.to_string(), INDEX))?;
    let file_names: BTreeSet<&String> = index.weight_map.values().collect();
    if file_names.len() > SHARDS_MAX {
        return Err(ImportError::TooLarge {
            what: "files",
            at: INDEX.into(),
            got: file_names.len() as u64,
            limit: SHARDS_MAX as u64,
        });
    }
    let mut files = Vec::new();
    let mut paths = vec![index_path];
    let mut number = BTreeMap::new();
    for name in file_names {
        let path = directory.join(plain_name(name)?);
        number.insert(name.clone(), files.len());
        files.push(SafetensorsFile::open(&path)?);
        paths.push(path);
    }
    let mut place = BTreeMap::new();
    for (tensor, file) in &index.weight_map {
        let at = number.get(file).copied().unwrap_or(usize::MAX);
        if files
            .get(at)
            .is_none_or(|file| file.shape(tensor).is_none())
        {
            return Err(ImportError::missing(format!("tensor {tensor}"), file));
        }
        place.insert(tensor.clone(), at);
    }
    Ok((Shards { files, place }, paths))
}

/// A name of a file in the same folder: no separators, no parent, nothing absolute.
fn plain_name(name: &str) -> Result<&str, ImportError> {
    let mut parts = Path::new(name).components();
    let plain = matches!((parts.next(), parts.next()), (Some(Component::Normal(part)), None) if part == name);
    if plain && !name.contains(['/', '\\', '\0']) {
        Ok(name)
    } else {
        Err(ImportError::malformed(
            INDEX,
            format!("{name:?} is not the name of a file beside it"),
            "weight_map",
        ))
    }
}

fn read_text_files(
    directory: &Path,
    config: &[u8],
    files: &mut Vec<PathBuf>,
) -> Result<TextFiles, ImportError> {
    let mut read = |name: &str| -> Result<Option<Vec<u8>>, ImportError> {
        let path = directory.join(name);
        let bytes = read_if_there(&path, TEXT_MAX_BYTES)?;
        if bytes.is_some() {
            files.push(path);
        }
        Ok(bytes)
    };
    let json = |name: &'static str, bytes: Option<Vec<u8>>| -> Result<Value, ImportError> {
        bytes.map_or(Ok(Value::Null), |bytes| {
            serde_json::from_slice(&bytes)
                .map_err(|error| ImportError::malformed(name, error.to_string(), name))
        })
    };
    let tokenizer = read("tokenizer.json")?;
    let tokenizer_config = json("tokenizer_config.json", read("tokenizer_config.json")?)?;
    let generation = json("generation_config.json", read("generation_config.json")?)?;
    let config = json("config.json", Some(config.to_vec()))?;
    let chat_template = match read("chat_template.jinja")? {
        Some(bytes) => Some(String::from_utf8(bytes).map_err(|_| {
            ImportError::malformed("chat_template.jinja", "not UTF-8", "chat_template.jinja")
        })?),
        None => template_of(&tokenizer_config),
    };
    let ids = |key: &str| {
        let found = ids_of(&generation[key]);
        if found.is_empty() {
            ids_of(&config[key])
        } else {
            found
        }
    };
    Ok(TextFiles {
        tokenizer,
        tokenizer_missing: None,
        chat_template,
        end_ids: ids("eos_token_id"),
        begin_id: ids("bos_token_id").first().copied(),
        sampling: sampling_of(&generation),
        special: special_of(&tokenizer_config),
    })
}

/// The template, or that called `default` where there are several.
fn template_of(tokenizer_config: &Value) -> Option<String> {
    match &tokenizer_config["chat_template"] {
        Value::String(text) => Some(text.clone()),
        Value::Array(several) => several
            .iter()
            .find(|one| one["name"] == "default")
            .and_then(|one| one["template"].as_str())
            .map(str::to_owned),
        _ => None,
    }
}

fn ids_of(value: &Value) -> Vec<u32> {
    let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    match value {
        Value::Array(ids) => ids.iter().filter_map(id).collect(),
        one => id(one).into_iter().collect(),
    }
}

/// Sampling settings that the model's makers recommend, as decimals.
fn sampling_of(generation: &Value) -> BTreeMap<String, f64> {
    [
        "temperature",
        "top_p",
        "top_k",
        "min_p",
        "repetition_penalty",
    ]
    .into_iter()
    .filter_map(|key| Some((key.to_owned(), generation[key].as_f64()?)))
    .collect()
}

/// Special tokens that templates name.
fn special_of(tokenizer_config: &Value) -> BTreeMap<String, String> {
    ["bos_token", "eos_token", "pad_token", "unk_token"]
        .into_iter()
        .filter_map(|key| {
            let value = &tokenizer_config[key];
            let text = value.as_str().or_else(|| value["content"].as_str())?;
            Some((key.to_owned(), text.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_stay_in_their_folder() {
        assert_eq!(
            plain_name("model-00001-of-00002.safetensors").unwrap(),
            "model-00001-of-00002.safetensors"
        );
        for name in [
            "../secret",
            "/etc/passwd",
            "a/b",
            "..",
            ".",
            "",
            "a\\b",
            "a\0b",
            "./a",
        ] {
            assert!(plain_name(name).is_err(), "{name:?}");
        }
    }
}
