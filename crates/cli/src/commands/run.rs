//! `proofmark run`: a tensor program on the tensors of a file. It is a request like any other, to a server that runs on the data
//! directory, or to one that lives as long as the command.

use std::path::{Path, PathBuf};

use clap::Args;
use http::StatusCode;
use proofmark_gateway::EngineConfig;
use proofmark_openai::{JsonText, RawJson};
use proofmark_tensors::{
    EncodedTensor, MAX_ELEMENTS, NamedTensors, Numbers, Tensor, TensorError, read_answer, read_npy,
    read_npz, read_safetensors, write_npy, write_safetensors,
};
use serde_json::Value;

use crate::data::DataDir;
use crate::error::{CommandError, CommandResult, ExitStatus};
use crate::node::{Node, NodeArgs};
use crate::remote::Answered;
use crate::ui::{FAINT, GOOD, STRONG, Ui};
use crate::{files, models, running};

/// Largest file of inputs.
const INPUT_MAX_BYTES: usize = 256 << 20;
/// Largest answer: every number is shown with at most 24 characters.
const ANSWER_MAX_BYTES: usize = 256 << 20;
/// Largest entry of a model.
const ENTRY_MAX_BYTES: usize = 4 << 20;
/// Numbers of an output that are printed.
const SHOWN: usize = 10;
const SAFETENSORS: &str = "application/vnd.safetensors";

/// Arguments of `proofmark run`.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Name of the model, or its directory.
    model: String,
    /// The inputs: a .json file with an object of tensors, or the only one; .npy with the only one; .npz or .safetensors with named ones.
    #[arg(value_name = "INPUT")]
    input: PathBuf,
    /// Write the answer to this file: .json or .safetensors as the server gives it, .npy for an only output.
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write the bundle, which opens everything, to this file once it is in the log.
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
    #[command(flatten)]
    data: DataDir,
    /// Ask the node at this URL instead.
    #[arg(long, value_name = "URL", conflicts_with = "data")]
    url: Option<String>,
    /// File with the API key for --url.
    #[arg(long, value_name = "FILE", requires = "url")]
    api_key_file: Option<PathBuf>,
    /// Print the answer as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What the answer is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Safetensors,
    Npy,
}

/// A model asked with the tensors of a file.
pub(crate) struct Asked<'a> {
    /// Name of the model, or its directory.
    pub(crate) model: &'a str,
    /// The file.
    pub(crate) input: &'a Path,
    /// Data directory of the node.
    pub(crate) data: &'a DataDir,
    /// Another node instead.
    pub(crate) url: Option<&'a str>,
    /// File with the API key for it.
    pub(crate) api_key_file: Option<&'a Path>,
}

impl Asked<'_> {
    /// The bundle of the answer, which opens everything, once it is in the log.
    pub(crate) fn bundle(&self) -> Result<Vec<u8>, CommandError> {
        let (name, node) = self.node()?;
        let answered = self.post(&name, &node, "application/json")?;
        node.bundle(receipt_of(&answered), "all", true)
    }

    fn post(
        &self,
        name: &str,
        node: &Node,
        accept: &'static str,
    ) -> Result<Answered, CommandError> {
        let bytes = files::read(self.input, INPUT_MAX_BYTES)?;
        let body = request(name, self.input, &bytes, node)?;
        let path = "/v1/infer";
        let answered = node.remote().post(path, body, accept, ANSWER_MAX_BYTES)?;
        let error = match answered.status {
            StatusCode::OK => return Ok(answered),
            StatusCode::NOT_FOUND => not_served(node.remote().refused(path, &answered), self.model),
            StatusCode::BAD_REQUEST => node.remote().refused(path, &answered).into_usage(),
            _ => node.remote().refused(path, &answered),
        };
        Err(error)
    }

    /// The node that is asked, and the model's name there.
    fn node(&self) -> Result<(String, Node), CommandError> {
        if let Some(url) = self.url {
            let key_file = self.api_key_file.map(Path::to_owned);
            let node = NodeArgs::of(None, Some(url.to_owned()), key_file);
            return Ok((self.model.to_owned(), node.open()?));
        }
        let data = self.data.path();
        if running::server_of(&data)?.is_some() {
            let node = NodeArgs::of(Some(data), None, None).open()?;
            return Ok((self.model.to_owned(), node));
        }
        let (name, models) = models::open_one(&data, self.model, &EngineConfig::default())?;
        Ok((name, Node::serving(&data, models)?))
    }
}

/// Id of the receipt of an answer.
fn receipt_of(answered: &Answered) -> &str {
    let id = answered.headers.get("x-proofmark-receipt");
    id.and_then(|id| id.to_str().ok()).unwrap_or_default()
}

impl Run {
    pub(crate) fn run(self, ui: &mut Ui) -> CommandResult {
        let form = self.form()?;
        let asked = Asked {
            model: &self.model,
            input: &self.input,
            data: &self.data,
            url: self.url.as_deref(),
            api_key_file: self.api_key_file.as_deref(),
        };
        let (name, node) = asked.node()?;
        let accept = match form {
            Form::Safetensors => SAFETENSORS,
            Form::Json | Form::Npy => "application/json",
        };
        let answered = asked.post(&name, &node, accept)?;
        let id = receipt_of(&answered);
        let outputs = read_answer(&answered.body)
            .map_err(|error| CommandError::internal("the answer cannot be read").because(error))?;
        if let Some(out) = &self.out {
            let written = match (form, outputs.as_slice()) {
                (Form::Json | Form::Safetensors, _) => answered.body.clone(),
                (Form::Npy, [output]) => write_npy(&shown(output)?),
                (Form::Npy, _) => {
                    return Err(CommandError::usage(format!(
                        "the model has {} outputs, a .npy file one: write to .safetensors",
                        outputs.len()
                    )));
                }
            };
            files::replace(out, &written, 0o600)?;
        }
        if let Some(file) = &self.receipt {
            let bundle = node.bundle(id, "all", true)?;
            files::replace(file, &bundle, 0o600)?;
        }
        self.tell(ui, (&name, id), &outputs)?;
        Ok(ExitStatus::OK)
    }

    fn form(&self) -> Result<Form, CommandError> {
        let Some(out) = &self.out else {
            return Ok(Form::Json);
        };
        match extension(out).as_str() {
            "json" => Ok(Form::Json),
            "safetensors" => Ok(Form::Safetensors),
            "npy" => Ok(Form::Npy),
            _ => Err(CommandError::usage(format!(
                "{}: outputs are written to .json, .safetensors or .npy files",
                out.display()
            ))),
        }
    }

    fn tell(
        &self,
        ui: &mut Ui,
        (name, id): (&str, &str),
        outputs: &[EncodedTensor],
    ) -> Result<(), CommandError> {
        if self.json {
            let mut all = serde_json::Map::new();
            for output in outputs {
                let data: Vec<Value> = match output.scale_bits {
                    Some(_) => output.shown().map(Value::from).collect(),
                    None => output.elements.iter().map(|q| Value::from(*q)).collect(),
                };
                let tensor = serde_json::json!({ "shape": output.shape, "data": data });
                all.insert(output.name.clone(), tensor);
            }
            return Ok(ui.print_json(
                &serde_json::json!({ "model": name, "receipt": id, "outputs": all }),
            )?);
        }
        for output in outputs {
            let numbers: Vec<String> = match output.scale_bits {
                Some(_) => output.shown().take(SHOWN).map(|x| format!("{x}")).collect(),
                None => output
                    .elements
                    .iter()
                    .take(SHOWN)
                    .map(ToString::to_string)
                    .collect(),
            };
            let more = output.elements.len().saturating_sub(SHOWN);
            let more = if more > 0 {
                format!("  … {more} more")
            } else {
                String::new()
            };
            writeln!(
                ui.out(),
                "{STRONG}{}{STRONG:#} {FAINT}{:?}{FAINT:#}  {}{more}",
                output.name.escape_debug(),
                output.shape,
                numbers.join("  ")
            )?;
        }
        writeln!(ui.out(), "{GOOD}✔{GOOD:#} receipt {id}")?;
        match &self.receipt {
            Some(file) => writeln!(ui.out(), "  proofmark verify {}", file.display())?,
            None => writeln!(
                ui.out(),
                "  {FAINT}proofmark receipt bundle {id} --disclose all -o answer.receipt{FAINT:#}"
            )?,
        }
        Ok(())
    }
}

fn extension(path: &Path) -> String {
    let extension = path.extension().unwrap_or_default();
    extension.to_string_lossy().to_lowercase()
}

/// The numbers of an output.
fn shown(output: &EncodedTensor) -> Result<Tensor, CommandError> {
    let numbers = match output.scale_bits {
        Some(_) => Numbers::Real(output.shown().collect()),
        None => Numbers::Integer(output.elements.iter().map(|q| i64::from(*q)).collect()),
    };
    Tensor::new(output.shape.clone(), numbers)
        .ok_or_else(|| CommandError::internal("an output that is no tensor"))
}

/// The body that is sent.
fn request(model: &str, path: &Path, bytes: &[u8], node: &Node) -> Result<Vec<u8>, CommandError> {
    let unread = |error: TensorError| {
        CommandError::usage(format!("{} cannot be read", path.display()))
            .code(error.code())
            .because(error)
    };
    let tensors: NamedTensors = match extension(path).as_str() {
        "json" => return json_request(model, path, bytes, node),
        "npy" => {
            let tensor = read_npy(bytes, MAX_ELEMENTS).map_err(unread)?;
            vec![(only_input(model, node)?, tensor)]
        }
        "npz" => read_npz(bytes, MAX_ELEMENTS).map_err(unread)?,
        "safetensors" => {
            read_safetensors(bytes, MAX_ELEMENTS)
                .map_err(unread)?
                .tensors
        }
        _ => {
            return Err(CommandError::usage(format!(
                "{}: inputs are read from .json, .npy, .npz and .safetensors files",
                path.display()
            )));
        }
    };
    let tensors: Vec<(&str, &Tensor)> = tensors
        .iter()
        .map(|(name, tensor)| (name.as_str(), tensor))
        .collect();
    Ok(write_safetensors(&tensors, &[("model", model)]))
}

fn json_request(
    model: &str,
    path: &Path,
    bytes: &[u8],
    node: &Node,
) -> Result<Vec<u8>, CommandError> {
    let value = RawJson::parse(bytes).map_err(|error| {
        CommandError::usage(format!("{} is not JSON", path.display())).because(error)
    })?;
    let is_tensor = value.entries().is_none()
        || (value.member("shape").is_some() && value.member("data").is_some());
    let inputs = if is_tensor {
        let name = only_input(model, node)?;
        JsonText::object([(name.as_str(), JsonText::from(value))])
    } else {
        match value.member("inputs").filter(|of| of.entries().is_some()) {
            None => JsonText::from(value),
            // A whole request.
            Some(inputs) => {
                let of_model = value.member("model").and_then(RawJson::as_str);
                let known = |name: &str| ["model", "inputs"].contains(&name);
                let mut names = value.entries().into_iter().flatten();
                if of_model.is_some_and(|of| of != model) || !names.all(|(name, _)| known(&name)) {
                    return Err(CommandError::usage(format!(
                        "{} is a request for another model, or has other members than inputs",
                        path.display()
                    )));
                }
                JsonText::from(inputs)
            }
        }
    };
    let request = JsonText::object([("model", JsonText::string(model)), ("inputs", inputs)]);
    Ok(request.into_json().into_bytes())
}

/// A server that runs already serves what its configuration says.
fn not_served(error: CommandError, model: &str) -> CommandError {
    error
        .hint(format!(
            "the server that runs there does not serve {model:?}: add [[model]] name = {model:?} to its proofmark.toml and restart it"
        ))
        .hint("or stop it: without a server this command opens the model itself")
}

/// The name of the only input.
fn only_input(model: &str, node: &Node) -> Result<String, CommandError> {
    let mut path = String::from("/v1/models/");
    for byte in model.bytes() {
        path.push_str(&format!("%{byte:02x}"));
    }
    let answered = node.remote().get(&path, ENTRY_MAX_BYTES)?;
    match answered.status {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND => {
            return Err(not_served(node.remote().refused(&path, &answered), model));
        }
        _ => return Err(node.remote().refused(&path, &answered)),
    }
    let entry: Value = serde_json::from_slice(&answered.body)
        .map_err(|error| CommandError::internal("the model's entry is no JSON").because(error))?;
    let inputs = entry.pointer("/proofmark/inputs").and_then(Value::as_array);
    let names: Vec<&str> = inputs
        .into_iter()
        .flatten()
        .filter_map(|input| input.get("name")?.as_str())
        .collect();
    match names.as_slice() {
        [name] => Ok((*name).to_owned()),
        [] => Err(CommandError::usage(format!("{model} takes no tensors"))
            .hint("it may be a decoder: ask it through proofmark serve")),
        names => Err(CommandError::usage(format!(
            "{model} has {} inputs: {}",
            names.len(),
            names.join(", ")
        ))
        .hint("give them by name, in a .json, .npz or .safetensors file")),
    }
}
