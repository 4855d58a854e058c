//! Of all bytes, the genuine opening of a genuine commitment is accepted and nothing else; the second verifier says the same, with the
//! same code.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use proofmark_kernels::{Isa, Pool};
use proofmark_proof::commitment::{Commitment, Level, Plan, Shape, verify};
use proofmark_proof::field::E;
use proofmark_proof::{Incoming, Outgoing, Reader, Transcript};
use proofmark_proof_second as second;
use proofmark_prover::Machine;
use proofmark_prover::commitment::{Values, commit, open_with};

struct Genuine {
    commitment: Commitment,
    point: Vec<E>,
    value: E,
    proof: Vec<u8>,
}

static GENUINE: LazyLock<[Genuine; 2]> = LazyLock::new(|| {
    let level = |log2_message, queries| Level {
        log2_width: 4,
        log2_message,
        log2_inverse_rate: 1,
        queries,
        work_bits: 0,
    };
    let plans = [vec![level(2, 275)], vec![level(4, 275), level(0, 275)]];
    plans.map(|levels| {
        let log2_size = levels[0].log2_message + 4;
        let shape = Shape::new(log2_size, 4, 1).expect("within bounds");
        let plan = Plan::new(&shape, levels).expect("within bounds");
        let pool = Pool::new(1);
        let machine = Machine {
            pool: &pool,
            isa: Isa::SCALAR,
        };
        let values: Vec<i8> = (0..1_u32 << log2_size)
            .map(|i| (i * 37 % 256) as i8)
            .collect();
        let committed = commit(machine, Values::I8(&values), shape).expect("as many as the shape");
        let point = vec![E::X; log2_size as usize];
        let mut outgoing = Outgoing::new(Transcript::new("fuzz"));
        let value = open_with(machine, &committed, &plan, &point, &mut outgoing);
        Genuine {
            commitment: *committed.commitment(),
            point,
            value: value.expect("a point of the shape"),
            proof: outgoing.finish(),
        }
    })
});

/// Largest polynomial that the second verifier, which is slow, is asked about.
const SECOND_VARIABLES: usize = 14;

/// Bits or a code: what both verifiers say.
fn judge(
    commitment: &Commitment,
    point: &[E],
    value: E,
    proof: &[u8],
) -> Result<u32, &'static str> {
    let mut incoming = Incoming::new(Transcript::new("fuzz"), proof);
    let first = verify(commitment, point, value, &mut incoming)
        .and_then(|account| incoming.finish().map(|()| account.bits()))
        .map_err(|rejection| rejection.code());
    if point.len() <= SECOND_VARIABLES {
        let bytes = commitment.to_bytes();
        let commitment = second::Commitment::decode(&bytes).expect("a commitment");
        let opening = second::Opening {
            commitment: &commitment,
            point,
            value,
        };
        let mut input = second::Input::new(second::Transcript::new("fuzz"), proof);
        let judged = second::verify(&opening, &mut input);
        let judged = judged.and_then(|bits| input.end().map(|()| bits));
        assert_eq!(judged, first);
    }
    first
}

fuzz_target!(|data: &[u8]| {
    let Some((&selector, data)) = data.split_first() else {
        return;
    };
    if let Some(genuine) = GENUINE.get(usize::from(selector)) {
        // Changes of the genuine proof: pairs of a place and what is added there.
        let mut proof = genuine.proof.clone();
        for change in data.chunks_exact(3) {
            let at = usize::from(u16::from_le_bytes([change[0], change[1]])) % proof.len();
            proof[at] = proof[at].wrapping_add(change[2]);
        }
        let judged = judge(&genuine.commitment, &genuine.point, genuine.value, &proof);
        assert_eq!(judged.is_ok(), proof == genuine.proof);
        return;
    }
    let mut reader = Reader::new(data);
    let (Ok(commitment), Ok(value)) = (Commitment::decode(&mut reader), reader.extension()) else {
        return;
    };
    let point = vec![E::X; commitment.shape.log2_size() as usize];
    assert!(judge(&commitment, &point, value, &data[reader.at()..]).is_err());
});
