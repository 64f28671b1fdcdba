//! Figures and their tables. The measurements are the benchmark `product`, which has no test
//! harness and so no tests of its own.

pub mod figure;
