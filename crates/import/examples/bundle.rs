//! Makes the exact model that the command embeds: `cargo run --release -p proofmark-import --example bundle`.
//!
//! Reads `models/fable/float`, calibrates on the first half of `models/fable/heldout.jsonl` and compares on the second, and
//! writes the files of the model to `models/fable/exact`. Arguments: source directory, documents, target directory, name.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use proofmark_hub::pack;
use proofmark_import::{
    DecoderOptions, Origin, ReferenceExecutor, TokenData, documents, encode, import_decoder,
    open_source, pack_decoder, source_digest,
};

/// Tokens that are compared.
const COMPARED_TOKENS: usize = 6000;

#[expect(clippy::print_stdout, reason = "the report is this program's result")]
fn main() -> Result<(), Box<dyn Error>> {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/fable");
    let mut arguments = std::env::args().skip(1);
    let mut path = |otherwise: &str| {
        arguments
            .next()
            .map_or_else(|| models.join(otherwise), PathBuf::from)
    };
    let (source, texts, target) = (path("float"), path("heldout.jsonl"), path("exact"));
    let name = arguments.next().unwrap_or_else(|| "fable".to_owned());
    let model = open_source(&source)?;
    let tokenizer = model.text.tokenizer.clone().ok_or("no tokenizer.json")?;
    let mut sequences = documents(&fs::read_to_string(texts)?)
        .iter()
        .map(|text| encode(&tokenizer, text))
        .collect::<Result<Vec<_>, _>>()?;
    let mut held_out = sequences.split_off(sequences.len() / 2);
    let mut left = COMPARED_TOKENS;
    for ids in &mut held_out {
        ids.truncate(left);
        left -= ids.len();
    }
    held_out.retain(|ids| ids.len() > 1);
    let data = TokenData {
        label: format!(
            "{name}'s held-out documents, the first half for ranges, the second to compare"
        ),
        calibration: sequences,
        held_out,
    };
    let options = DecoderOptions::default();
    let mut executor = ReferenceExecutor::default();
    let imported = import_decoder(&model.decoder, &data, options, &mut executor, &mut |_| ())?;
    println!("{}", imported.loss);
    let origin = Origin {
        name: &name,
        format: model.format,
        digest: source_digest(&model.files, &source)?,
        text: "models/fable/float of this repository",
    };
    let mut packed = pack_decoder(imported, &model.text, origin, options, &mut executor)?;
    pack(&mut packed.manifest, &packed.files);
    fs::create_dir_all(&target)?;
    for (path, bytes) in &packed.files {
        fs::write(target.join(path), bytes)?;
        println!("{path}  {} bytes", bytes.len());
    }
    fs::write(target.join("manifest.cbor"), packed.manifest.encode()?)?;
    println!("closure {}", packed.manifest.closure_digest()?);
    Ok(())
}
