//! The pages: one component for each route of `app`.

mod home;
mod how_it_works;
mod not_found;
mod number;

pub(crate) use home::Home;
pub(crate) use how_it_works::HowItWorks;
pub(crate) use not_found::NotFound;
pub(crate) use number::NumberPage;
