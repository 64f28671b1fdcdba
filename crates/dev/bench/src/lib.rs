//! Figures and their tables. The measurements are the benchmark `product`, which has no test
//! harness and so no tests of its own.

#![expect(missing_docs, reason = "read here only: a name that says it all needs no more")]

pub mod figure;
