//! Which levels a run is about.

use textport_kernels::{Isa, Level};

/// Scripts that emulate a processor say in `KERNEL_LEVELS` what it must have, so that no run passes
/// because there was nothing to run.
#[test]
fn levels_are_as_expected() {
    let here = Isa::available();
    assert_eq!(here.first().map(|isa| isa.level()), Some(Level::Scalar));
    assert_eq!(here.last(), Some(&Isa::best()));
    for level in Level::ALL {
        assert_eq!(level.name().parse(), Ok(level));
        assert_eq!(Isa::new(level).is_ok(), here.iter().any(|isa| isa.level() == level));
    }
    if let Ok(expected) = std::env::var("KERNEL_LEVELS") {
        let names: Vec<_> = here.iter().map(|isa| isa.level().name()).collect();
        assert_eq!(names.join(" "), expected);
    }
}
