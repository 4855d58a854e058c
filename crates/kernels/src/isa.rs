//! Which instructions a kernel may use.
//!
//! An [`Isa`] is evidence: its only constructors look at the processor that runs, so a function
//! that got one may call code compiled for it.

use std::fmt;

/// What the kernels are compiled for. Private: a value of [`Isa`] is proof of support.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
    #[cfg(target_arch = "aarch64")]
    Neon,
    #[cfg(target_arch = "aarch64")]
    NeonDot,
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    Simd128,
}

/// An instruction set that this processor has. Results never depend on it.
///
/// | name | processors |
/// |---|---|
/// | `scalar` | all (the compiler may use the target's baseline: SSE2 on x86-64) |
/// | `avx2` | x86-64-v3 |
/// | `avx512-vnni` | x86-64-v4 with VNNI and VBMI: Ice Lake, Zen 4 and later |
/// | `neon` | aarch64 |
/// | `neon-dot` | aarch64 with `FEAT_DotProd` (Armv8.2 and later) |
/// | `simd128` | wasm32, when compiled with `-C target-feature=+simd128` |
///
/// AMX is left out: no machine to measure it on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Isa(Kind);

impl Isa {
    /// Plain Rust; what every other instruction set is held to.
    pub const SCALAR: Self = Self(Kind::Scalar);

    /// The fastest instruction set that this processor has.
    #[must_use]
    pub fn detect() -> Self {
        Self::available().last().copied().unwrap_or(Self::SCALAR)
    }

    /// All that this processor has, slowest first; [`Isa::SCALAR`] is always the first.
    #[must_use]
    pub fn available() -> Vec<Self> {
        #[cfg_attr(
            not(any(
                target_arch = "x86_64",
                target_arch = "aarch64",
                all(target_arch = "wasm32", target_feature = "simd128")
            )),
            expect(unused_mut, reason = "only scalar code exists for this target")
        )]
        let mut all = vec![Self::SCALAR];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") {
                all.push(Self(Kind::Avx2));
            }
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512vnni")
                && is_x86_feature_detected!("avx512vbmi")
            {
                all.push(Self(Kind::Avx512Vnni));
            }
        }
        #[cfg(target_arch = "aarch64")]
        {
            if std::arch::is_aarch64_feature_detected!("neon") {
                all.push(Self(Kind::Neon));
                if std::arch::is_aarch64_feature_detected!("dotprod") {
                    all.push(Self(Kind::NeonDot));
                }
            }
        }
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        all.push(Self(Kind::Simd128));
        all
    }

    /// The available instruction set of that [`name`](Self::name).
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::available().into_iter().find(|isa| isa.name() == name)
    }

    /// A stable name, for configuration and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.0 {
            Kind::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Vnni => "avx512-vnni",
            #[cfg(target_arch = "aarch64")]
            Kind::Neon => "neon",
            #[cfg(target_arch = "aarch64")]
            Kind::NeonDot => "neon-dot",
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Kind::Simd128 => "simd128",
        }
    }

    pub(crate) const fn kind(self) -> Kind {
        self.0
    }

    /// The instruction set for code over whole vectors only, of at most 16 lanes: this one if the length is so, or plain Rust.
    pub(crate) const fn for_length(self, length: usize) -> Self {
        if length.is_multiple_of(16) {
            self
        } else {
            Self::SCALAR
        }
    }
}

impl fmt::Debug for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Calls an `#[inline(always)]` function as compiled for an instruction set:
/// `compiled!(isa, <T: Element> body(x: &[i32], out: &mut [T]))`, the names being variables in scope.
/// The body is one and the same, so is the result; what differs is the vectors that the compiler uses.
macro_rules! compiled {
    ($isa:expr, <$($generic:ident : $bound:path),*> $body:ident($($name:ident : $type:ty),* $(,)?) $(-> $result:ty)?) => {{
        #[cfg(target_arch = "x86_64")]
        {
            #[target_feature(enable = "avx2")]
            fn avx2<$($generic: $bound),*>($($name: $type),*) $(-> $result)? {
                $body($($name),*)
            }
            #[target_feature(enable = "avx2,avx512f,avx512bw,avx512dq,avx512vl")]
            fn avx512<$($generic: $bound),*>($($name: $type),*) $(-> $result)? {
                $body($($name),*)
            }
            match $isa.kind() {
                $crate::isa::Kind::Scalar => $body($($name),*),
                // SAFETY: an `Isa` is made only where the processor has the features.
                $crate::isa::Kind::Avx2 => unsafe { avx2($($name),*) },
                // SAFETY: as above.
                $crate::isa::Kind::Avx512Vnni => unsafe { avx512($($name),*) },
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            // NEON and simd128 are part of what these targets are compiled for.
            let _ = $isa;
            $body($($name),*)
        }
    }};
}
pub(crate) use compiled;
