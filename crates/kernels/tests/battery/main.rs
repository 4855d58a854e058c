//! One battery for every instruction set of this processor: each kernel against the operator's definition
//! (specs/04-program.md), written down once more in plain and slow arithmetic.
//!
//! Other processors, emulated (Debian: `qemu-user`, `gcc-aarch64-linux-gnu`; Node 20 or later):
//!
//! ```sh
//! export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
//! export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu"
//! cargo test --target aarch64-unknown-linux-gnu -p proofmark-kernels --lib --test battery
//! export CARGO_TARGET_WASM32_WASIP1_RUNNER="node --no-warnings $PWD/crates/kernels/tests/wasi.mjs"
//! RUSTFLAGS="-C target-feature=+simd128" cargo test --target wasm32-wasip1 -p proofmark-kernels --lib --test battery
//! ```

mod attention;
mod elementwise;
mod field;
mod linear;
mod norm;
mod pool;
mod reference;

use proofmark_kernels::Isa;
use proptest::prelude::*;

/// Every instruction set, in the order of its speed.
fn each_isa() -> Vec<Isa> {
    Isa::available()
}

/// Values of a type with its extremes and their neighbors often among them.
fn any_i16() -> impl Strategy<Value = i16> {
    prop_oneof![
        4 => any::<i16>(),
        2 => -200_i16..200,
        1 => Just(i16::MIN),
        1 => Just(i16::MAX),
        1 => Just(0),
    ]
}

fn any_i8() -> impl Strategy<Value = i8> {
    prop_oneof![
        4 => any::<i8>(),
        1 => Just(i8::MIN),
        1 => Just(i8::MAX),
        1 => Just(0),
    ]
}

fn any_i32() -> impl Strategy<Value = i32> {
    prop_oneof![
        3 => any::<i32>(),
        3 => -70_000_i32..70_000,
        1 => Just(i32::MIN),
        1 => Just(i32::MAX),
        1 => Just(0),
    ]
}

#[test]
fn scalar_code_is_always_there_and_names_are_unique() {
    let all = each_isa();
    assert_eq!(all.first(), Some(&Isa::SCALAR));
    assert_eq!(all.last(), Some(&Isa::detect()));
    for isa in &all {
        assert_eq!(Isa::by_name(isa.name()), Some(*isa));
    }
    assert_eq!(Isa::by_name("abacus"), None);
    println!("held to its definition: {all:?}");
}
