//! A component for each route.

pub mod home;
pub mod how_it_works;
pub mod not_found;
pub mod number;

pub use home::Home;
pub use how_it_works::HowItWorks;
pub use not_found::NotFound;
pub use number::NumberPage;
