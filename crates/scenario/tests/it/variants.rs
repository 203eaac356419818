//! Fields of a scenario that are changed by name.

use crate::example::with;

#[test]
fn a_change_of_the_workload_makes_a_variant() {
    let stripped = with(&[("tables", "stripped")]).expect("tables can be stripped");
    assert_eq!(stripped.full_name(), "example:tables=strip");
    let shared = with(&[("artifact.type_sharing", "shared"), ("threads", "2")]);
    assert_eq!(
        shared.expect("both can be set").full_name(),
        "example:artifact.type_sharing=shared,threads=2"
    );
}

#[test]
fn what_leaves_the_workload_alone_is_no_variant() {
    let same = with(&[("tables", "keep"), ("repetitions", "3"), ("sizes.to", "1024")]);
    let same = same.expect("all can be set");
    assert!(same.variant.is_as_written());
    assert_eq!(same.settings.keys().collect::<Vec<_>>(), ["repetitions", "sizes.to", "tables"]);
    assert_eq!((same.repetitions, same.sizes.last()), (3, Some(&1024)));
}

#[test]
fn a_change_that_cannot_be_made_is_refused() {
    for change in
        [("tabels", "strip"), ("tables", "sometimes"), ("question.x", "1"), ("threads", "0")]
    {
        let error = with(&[change]).expect_err("cannot be set").to_string();
        assert!(error.contains(change.0), "{error}");
    }
}
