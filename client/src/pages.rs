//! A component for each route.

pub mod home;
pub mod how_it_works;
pub mod not_found;
pub mod number;

pub(crate) use home::Home;
pub(crate) use how_it_works::HowItWorks;
pub(crate) use not_found::NotFound;
pub(crate) use number::NumberPage;
