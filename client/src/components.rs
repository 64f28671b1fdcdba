//! The parts of the page, one module each. They show the store and report to it; they never speak HTTP
//! except by the functions of `http`, and keep no state of their own but what is being typed.

pub mod connection;
pub mod form;
pub mod seen;
pub mod values;

pub use connection::ConnectionStatus;
pub use form::SubmitForm;
pub use seen::SeenIndices;
pub use values::Values;
