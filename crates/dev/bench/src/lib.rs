//! What figures are made of. The measurements themselves are the benchmark `product`: a benchmark without the test harness
//! can have no tests of its own, so what can be wrong without anybody noticing is here.
//!
//! It starts nothing and measures nothing.

pub mod figure;
