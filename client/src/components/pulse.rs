/// The name of an animation that starts again with each event: `odd` or `even`, because only a
/// change of the name restarts it. `no` before the first event.
pub(crate) fn pulse_name(count: u32) -> String {
    match count {
        0 => "no".to_owned(),
        count if count.is_multiple_of(2) => "even".to_owned(),
        _ => "odd".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_event_restarts_the_animation() {
        assert_eq!([0, 1, 2, 3].map(pulse_name), ["no", "odd", "even", "odd"]);
    }
}
