//! `proofmark model import`.

mod onnx;

use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use clap::Args;
use proofmark_hub::{ModelName, pack};
use proofmark_import::{
    DEFAULT_MAX_POSITIONS, DecoderOptions, FloatModel, LossReport, Origin, Packed, Step, TokenData,
    documents, import_decoder, open_source, pack_decoder, source_digest,
};
use serde_json::json;

use crate::data::DataDir;
use crate::error::{CommandError, CommandResult, ExitStatus};
use crate::executor::EngineExecutor;
use crate::models::store;
use crate::ui::{FAINT, GOOD, Ui};

/// Largest text to calibrate on.
const TEXT_MAX_BYTES: u64 = 64 << 20;
/// Largest tokenizer file.
const TOKENIZER_MAX_BYTES: u64 = 64 << 20;
/// Multiplications that a comparison may take.
const COMPARE_WORK: u64 = 6_000_000_000;

/// Arguments of `proofmark model import`.
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// A directory with config.json and safetensors files, a GGUF file, or an ONNX file.
    source: PathBuf,
    /// Call the model so. Default: the name of the directory or file.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Take ranges from this text (or JSON lines with a member "text") instead of the built-in one; of ONNX models, from the rows of this
    /// .npy, .npz, .safetensors or .csv file instead of drawn numbers.
    #[arg(long, visible_alias = "calibration", value_name = "FILE")]
    calibrate: Option<PathBuf>,
    /// Of ONNX models without data: what numbers are drawn between.
    #[arg(
        long,
        value_name = "LO,HI",
        default_value = "-1,1",
        allow_hyphen_values = true,
        conflicts_with = "calibrate"
    )]
    range: Range,
    /// A tokenizer.json, where the source has none that can be used.
    #[arg(long, value_name = "FILE")]
    tokenizer: Option<PathBuf>,
    /// Longest sequence.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_MAX_POSITIONS)]
    max_positions: usize,
    /// Share of values that clamps may not touch, in percent.
    #[arg(long, value_name = "PERCENT", default_value_t = 100.0)]
    percentile: f64,
    /// Move the name if another model has it.
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    data: DataDir,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// Bounds of drawn numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Range([f64; 2]);

impl std::str::FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bounds = text.split_once(',').and_then(|(lo, hi)| {
            let (lo, hi): (f64, f64) = (lo.trim().parse().ok()?, hi.trim().parse().ok()?);
            (lo.is_finite() && hi.is_finite() && lo < hi).then_some([lo, hi])
        });
        bounds
            .map(Self)
            .ok_or_else(|| "expected two numbers, the lesser first, such as -1,1".to_owned())
    }
}

impl Import {
    pub(super) fn run(self, ui: &mut Ui) -> CommandResult {
        if !(50.0..=100.0).contains(&self.percentile) || self.max_positions == 0 {
            return Err(CommandError::usage(
                "--percentile is from 50 to 100, --max-positions at least 1",
            ));
        }
        let name = self.name()?;
        let (packed, loss) = if self.is_onnx() {
            onnx::import(&self, ui, &name)?
        } else {
            self.decoder(ui, &name)?
        };
        let store = store(&self.data.path());
        let digest = store.install(&packed.manifest, &packed.files)?;
        store.name(&name, &digest, self.replace)?;
        if self.json {
            ui.print_json(
                &json!({ "name": name.as_str(), "digest": digest.to_string(), "loss": loss }),
            )?;
        } else {
            writeln!(ui.out(), "{GOOD}✔{GOOD:#} {name}  {digest}")?;
            write!(ui.out(), "{loss}")?;
        }
        Ok(ExitStatus::OK)
    }

    fn is_onnx(&self) -> bool {
        let extension = self.source.extension();
        extension.is_some_and(|extension| extension.eq_ignore_ascii_case("onnx"))
    }

    fn decoder(&self, ui: &mut Ui, name: &ModelName) -> Result<(Packed, LossReport), CommandError> {
        let mut model = open_source(&self.source)?;
        if let Some(path) = &self.tokenizer {
            model.text.tokenizer = Some(read(path, TOKENIZER_MAX_BYTES)?);
        }
        let tokenizer = tokenizer_of(&model)?;
        estimate(ui, &model)?;
        let options = DecoderOptions {
            max_positions: self.max_positions,
            percentile: self.percentile / 100.0,
            ..DecoderOptions::default()
        };
        let data = self.token_data(&model, &tokenizer, options)?;
        let mut executor = EngineExecutor::new(model.decoder.config.parameters());
        let shown = std::io::stderr().is_terminal();
        let mut progress = |step: Step| {
            if shown {
                // Where even this cannot be written there is nobody to tell.
                let _ = writeln!(ui.err(), "{FAINT}{}{FAINT:#}", describe(step));
            }
        };
        let imported =
            import_decoder(&model.decoder, &data, options, &mut executor, &mut progress)?;
        let loss = imported.loss.clone();
        let origin = Origin {
            name: name.as_str(),
            format: model.format,
            digest: source_digest(&model.files, &self.source)?,
            text: &self
                .source
                .file_name()
                .unwrap_or_default()
                .to_string_lossy(),
        };
        let mut packed = pack_decoder(imported, &model.text, origin, options, &mut executor)?;
        pack(&mut packed.manifest, &packed.files);
        Ok((packed, loss))
    }

    fn name(&self) -> Result<ModelName, CommandError> {
        let given = match &self.name {
            Some(name) => name.clone(),
            None => {
                let plain = self
                    .source
                    .canonicalize()
                    .unwrap_or_else(|_| self.source.clone());
                let stem = if plain.is_dir() {
                    plain.file_name()
                } else {
                    plain.file_stem()
                };
                stem.unwrap_or_default().to_string_lossy().into_owned()
            }
        };
        ModelName::parse(&given)
            .map_err(|error| CommandError::from(error).hint("give a name: --name NAME"))
    }

    fn token_data(
        &self,
        model: &FloatModel,
        tokenizer: &[u8],
        options: DecoderOptions,
    ) -> Result<TokenData, CommandError> {
        let config = &model.decoder.config;
        let mut data = match &self.calibrate {
            None => TokenData::built_in(tokenizer, config.vocabulary)?,
            Some(path) => {
                let text = String::from_utf8(read(path, TEXT_MAX_BYTES)?).map_err(|error| {
                    CommandError::usage(format!("{} is not UTF-8", path.display())).because(error)
                })?;
                let label = path.file_name().unwrap_or_default().to_string_lossy();
                TokenData::of_documents(tokenizer, &documents(&text), config.vocabulary, &label)?
            }
        };
        data.cut(options.max_positions.min(config.max_positions));
        // The float model runs in double precision, which is not fast.
        let most = (COMPARE_WORK / config.parameters().max(1)).clamp(16, 1 << 20);
        let mut left = usize::try_from(most).unwrap_or(usize::MAX);
        for ids in &mut data.held_out {
            ids.truncate(left);
            left -= ids.len();
        }
        data.held_out.retain(|ids| ids.len() > 1);
        Ok(data)
    }
}

fn tokenizer_of(model: &FloatModel) -> Result<Vec<u8>, CommandError> {
    if let Some(tokenizer) = &model.text.tokenizer {
        return Ok(tokenizer.clone());
    }
    let error = CommandError::usage("the source has no tokenizer that can be used");
    let error = match &model.text.tokenizer_missing {
        Some(reason) => error.because(reason.clone()),
        None => error,
    };
    Err(error
        .code("import.missing")
        .hint("give the tokenizer.json of the model: --tokenizer FILE"))
}

/// Says what the import will take, before it takes it.
fn estimate(ui: &mut Ui, model: &FloatModel) -> Result<(), CommandError> {
    let config = &model.decoder.config;
    let parameters = config.parameters();
    let largest = (config.vocabulary * config.hidden) as u64;
    let layer = parameters.saturating_sub(largest) / config.layers.max(1) as u64;
    // Embedding and head as float32, one layer as float32 twice, and the exact weights twice.
    let memory = 8 * largest + 12 * layer + 2 * parameters;
    writeln!(
        ui.err(),
        "{} parameters, {} layers: about {} MB of memory, {} MB on the disk",
        parameters,
        config.layers,
        memory.div_ceil(1 << 20),
        (parameters + largest).div_ceil(1 << 20)
    )?;
    Ok(())
}

fn describe(step: Step) -> &'static str {
    match step {
        Step::Calibrate => "calibrating: the float model runs",
        Step::Quantize => "choosing scales and rounding weights",
        Step::Check => "proving that no value leaves its type",
        Step::Compare => "comparing with the float model",
    }
}

/// The whole file, if it is not longer than `limit`.
pub(super) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, CommandError> {
    let failed = |source| CommandError::file("read", path, source);
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(CommandError::usage(format!(
            "{} is longer than {limit} bytes",
            path.display()
        )));
    }
    Ok(bytes)
}
