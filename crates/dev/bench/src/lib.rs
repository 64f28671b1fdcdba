//! Figures and their tables. They are a library because the benchmark `product`, which measures
//! them, has no test harness and so cannot have tests.

pub mod figure;
