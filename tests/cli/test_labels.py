"""`ise label` and `ise tag --suggested`."""


def rows(told):
    return [line.split() for line in told.splitlines() if line.strip()]


def test_labels_are_listed_with_what_lacks_them_as_tags(fake, ise):
    told = rows(ise("label").out)
    assert told[0] == ["label", "images", "untagged"]
    assert told[-2:] == [["beagle", "31", "6"], ["tench", "4", "4"]]
    assert ise("label", "tench", "--json").json["total"] == 1
    assert ise("label", "zebra").out == "No label of at least 0.5.\n"
    assert ise("label", "--limit", "1").err == "1 more labels: raise --limit.\n"


def test_labels_that_are_missing_are_computed_first(fake, ise, services):
    fake.labelled = 0
    fake.steps = [services.job(state="succeeded")]
    assert ise("label", "--json").json["labelled"] == 1234
    assert fake.asked == [("label", None)]
    ise("label")
    assert len(fake.asked) == 1
    ise("label", "--compute")
    assert len(fake.asked) == 2


def test_a_model_without_labels_is_an_error(fake, ise, services):
    fake.labelled = 0
    fake.steps = [services.job(state="failed", error="mini:1 has no classifier.")]
    done = ise("label")
    assert done.code == 1
    assert "mini:1 has no classifier." in done.err


def test_accepting_is_a_dry_run_without_yes(fake, ise, services):
    done = ise("tag", "--suggested", "0.8")
    assert "10 tags would be added" in done.err
    assert "Nothing was changed: add --yes" in done.err
    assert fake.asked == []
    only = ise("tag", "--suggested", "0.8", "--label", "Beagle", "--json").json
    assert [one["name"] for one in only["labels"]] == ["beagle"]
    assert fake.asked == []


def test_with_yes_labels_are_accepted_by_a_job(fake, ise, services):
    fake.steps = [services.job(state="succeeded", result={"tagged": 6})]
    done = ise("tag", "--suggested", "0.8", "--label", "beagle", "--yes")
    assert fake.asked == [("accept", {"least": 0.8, "names": ["beagle"]})]
    assert done.out == "6 images were tagged.\n"


def test_how_sure_it_must_be_has_to_be_said(fake, ise):
    done = ise("tag", "--yes")
    assert done.code == 1
    assert "ise tag --suggested 0.8" in done.err
