# Short names for what is done often. `just --list` shows them.

# What fails fast: formatting, layers, formats, hygiene, lints.
check:
    .ci/run fmt xtask clippy

# All Rust tests.
test:
    cargo test --workspace

# What has to pass before a change lands.
pre-pr:
    .ci/run

# Record the formats as they are now.
accept-formats:
    cargo xtask freeze --accept
