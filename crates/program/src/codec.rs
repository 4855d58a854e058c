//! The program file (§6.1): deterministic CBOR, one encoding for one program.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use proofmark_receipt::cbor::{Decoder, Encoder, MapReader};

use crate::graph::{
    ConstantId, InputKind, Interface, Node, NodeId, NodeType, OutputKind, Program, TensorInput,
    TensorOutput,
};
use crate::{ProgramDigest, ProgramError, program_digest};

mod operator;

/// Key 0 of a program file.
pub const PROGRAM_PROFILE: &str = "proofmark:program:draft-1";
/// Largest program file in bytes.
pub const MAX_PROGRAM_BYTES: usize = 4 << 20;

const DECODER: u64 = 0;
const TENSOR: u64 = 1;

impl Program {
    /// The file. Fails for a program that [`Program::decode`] would not read.
    pub fn encode(&self) -> Result<Vec<u8>, ProgramError> {
        self.check_structure()?;
        let mut e = Encoder::new();
        e.map(4).uint(0).text(PROGRAM_PROFILE).uint(1);
        e.uint(match self.interface {
            Interface::Decoder { .. } => DECODER,
            Interface::Tensor { .. } => TENSOR,
        });
        e.uint(2).array(self.nodes.len());
        for node in &self.nodes {
            self.encode_node(node, &mut e);
        }
        e.uint(3);
        self.encode_interface(&mut e);
        let file = e.into_bytes();
        within(file.len())?;
        Ok(file)
    }

    /// Reads a file, and checks all that can be checked without the weights (§4.2).
    pub fn decode(file: &[u8]) -> Result<Self, ProgramError> {
        within(file.len())?;
        let names = constant_names(file)?;
        let program = read(file, &mut |name| {
            let found = names.binary_search_by(|other| other.as_str().cmp(name));
            ConstantId(
                found
                    .ok()
                    .and_then(|at| u32::try_from(at).ok())
                    .unwrap_or(u32::MAX),
            )
        })?;
        let program = Self {
            constants: names,
            ..program
        };
        program.check_structure()?;
        Ok(program)
    }

    /// Digest of the encoded program (§6.1).
    pub fn digest(&self) -> Result<ProgramDigest, ProgramError> {
        Ok(program_digest(&self.encode()?))
    }

    fn encode_node(&self, node: &Node, e: &mut Encoder) {
        e.array(6).uint(u64::from(node.operator.code()));
        e.array(node.inputs.len());
        for input in &node.inputs {
            e.uint(u64::from(input.0));
        }
        let constants = node.operator.constants();
        e.array(constants.len());
        for id in constants {
            e.text(self.constant_name(id).unwrap_or_default());
        }
        operator::encode_attributes(&node.operator, e);
        let result = &node.result;
        e.array(4)
            .bool(result.by_position)
            .array(result.shape.len());
        for dimension in &result.shape {
            e.uint(u64::from(*dimension));
        }
        e.int(i64::from(result.lo))
            .int(i64::from(result.hi))
            .text(&node.name);
    }

    fn encode_interface(&self, e: &mut Encoder) {
        match &self.interface {
            Interface::Decoder {
                vocabulary,
                max_positions,
                logits,
                hidden,
            } => {
                e.array(4)
                    .uint(u64::from(*vocabulary))
                    .uint(u64::from(*max_positions));
                e.uint(u64::from(logits.0));
                match hidden {
                    Some(hidden) => e.uint(u64::from(hidden.0)),
                    None => e.null(),
                };
            }
            Interface::Tensor { inputs, outputs } => {
                e.array(2).array(inputs.len());
                for input in inputs {
                    e.array(3).text(&input.name).uint(u64::from(input.node.0));
                    self.encode_input_kind(&input.kind, e);
                }
                e.array(outputs.len());
                for output in outputs {
                    e.array(3).text(&output.name).uint(u64::from(output.node.0));
                    match output.kind {
                        OutputKind::Real { scale_bits } => e.array(2).uint(0).uint(scale_bits),
                        OutputKind::Integer => e.array(1).uint(1),
                    };
                }
            }
        }
    }

    fn encode_input_kind(&self, kind: &InputKind, e: &mut Encoder) {
        match kind {
            InputKind::Real {
                scale_bits,
                zero_bits,
            } => {
                e.array(3).uint(0).uint(*scale_bits).uint(*zero_bits);
            }
            InputKind::Integer => {
                e.array(1).uint(1);
            }
            InputKind::Rank {
                thresholds,
                offsets,
                strict,
            } => {
                e.array(4)
                    .uint(2)
                    .text(self.constant_name(*thresholds).unwrap_or_default());
                e.text(self.constant_name(*offsets).unwrap_or_default())
                    .bool(*strict);
            }
        }
    }
}

fn within(bytes: usize) -> Result<(), ProgramError> {
    if bytes <= MAX_PROGRAM_BYTES {
        return Ok(());
    }
    Err(ProgramError::TooLarge {
        what: "bytes of a program",
        limit: MAX_PROGRAM_BYTES as u64,
        got: bytes as u64,
    })
}

/// The names that a file refers to, ascending.
fn constant_names(file: &[u8]) -> Result<Vec<String>, ProgramError> {
    let mut names = BTreeSet::new();
    read(file, &mut |name| {
        if !names.contains(name) {
            names.insert(String::from(name));
        }
        ConstantId(0)
    })?;
    Ok(names.into_iter().collect())
}

/// Turns a constant's name into its id.
type Resolve<'r> = &'r mut dyn FnMut(&str) -> ConstantId;

fn key<'a>(d: &mut Decoder<'a>, map: &mut MapReader<'a>, key: i64) -> Result<(), ProgramError> {
    let at = d.clone();
    if d.next_key(map)? == Some(key) {
        return Ok(());
    }
    Err(at.malformed("a program's four entries").into())
}

/// The program of a file, without names of constants.
fn read(file: &[u8], resolve: Resolve<'_>) -> Result<Program, ProgramError> {
    let mut d = Decoder::new(file);
    let mut map = d.map()?;
    key(&mut d, &mut map, 0)?;
    let profile = d.text()?;
    if profile != PROGRAM_PROFILE {
        return Err(ProgramError::VersionUnknown {
            got: profile.into(),
        });
    }
    key(&mut d, &mut map, 1)?;
    let kind = d.uint_max(TENSOR, "a kind of program")?;
    key(&mut d, &mut map, 2)?;
    let mut nodes = Vec::new();
    for _ in 0..d.array()? {
        nodes.push(read_node(&mut d, resolve)?);
    }
    key(&mut d, &mut map, 3)?;
    let interface = if kind == DECODER {
        read_decoder(&mut d)?
    } else {
        read_tensor(&mut d, resolve)?
    };
    if d.next_key(&mut map)?.is_some() {
        return Err(d.malformed("a program's four entries").into());
    }
    d.finish()?;
    Ok(Program {
        nodes,
        constants: Vec::new(),
        interface,
    })
}

fn read_node(d: &mut Decoder<'_>, resolve: Resolve<'_>) -> Result<Node, ProgramError> {
    d.array_exact(6)?;
    let at = d.clone();
    let code = d.uint_max(255, "an operator")?;
    let mut inputs = Vec::new();
    for _ in 0..d.array()? {
        inputs.push(NodeId(d.u32()?));
    }
    let mut constants = Vec::new();
    for _ in 0..d.array()? {
        constants.push(resolve(d.text()?));
    }
    let operator = operator::decode(code, &constants, d, &at)?;
    d.array_exact(4)?;
    let by_position = d.bool()?;
    let mut shape = Vec::new();
    for _ in 0..d.array()? {
        shape.push(d.u32()?);
    }
    let (lo, hi) = (operator::i32(d)?, operator::i32(d)?);
    let name = d.text()?.into();
    Ok(Node {
        operator,
        inputs,
        result: NodeType {
            by_position,
            shape,
            lo,
            hi,
        },
        name,
    })
}

fn read_decoder(d: &mut Decoder<'_>) -> Result<Interface, ProgramError> {
    d.array_exact(4)?;
    let (vocabulary, max_positions) = (d.u32()?, d.u32()?);
    let logits = NodeId(d.u32()?);
    let hidden = if d.peek_null() {
        d.null()?;
        None
    } else {
        Some(NodeId(d.u32()?))
    };
    Ok(Interface::Decoder {
        vocabulary,
        max_positions,
        logits,
        hidden,
    })
}

fn read_tensor(d: &mut Decoder<'_>, resolve: Resolve<'_>) -> Result<Interface, ProgramError> {
    d.array_exact(2)?;
    let mut inputs = Vec::new();
    for _ in 0..d.array()? {
        d.array_exact(3)?;
        let (name, node) = (d.text()?.into(), NodeId(d.u32()?));
        inputs.push(TensorInput {
            name,
            node,
            kind: read_input_kind(d, resolve)?,
        });
    }
    let mut outputs = Vec::new();
    for _ in 0..d.array()? {
        d.array_exact(3)?;
        let (name, node) = (d.text()?.into(), NodeId(d.u32()?));
        let at = d.clone();
        let len = d.array()?;
        let kind = match (len, d.uint()?) {
            (2, 0) => OutputKind::Real {
                scale_bits: d.uint()?,
            },
            (1, 1) => OutputKind::Integer,
            _ => return Err(at.malformed("a kind of output").into()),
        };
        outputs.push(TensorOutput { name, node, kind });
    }
    Ok(Interface::Tensor { inputs, outputs })
}

fn read_input_kind(d: &mut Decoder<'_>, resolve: Resolve<'_>) -> Result<InputKind, ProgramError> {
    let at = d.clone();
    let len = d.array()?;
    Ok(match (len, d.uint()?) {
        (3, 0) => InputKind::Real {
            scale_bits: d.uint()?,
            zero_bits: d.uint()?,
        },
        (1, 1) => InputKind::Integer,
        (4, 2) => InputKind::Rank {
            thresholds: resolve(d.text()?),
            offsets: resolve(d.text()?),
            strict: d.bool()?,
        },
        _ => return Err(at.malformed("a kind of input").into()),
    })
}
