//! Tests of weights files.
