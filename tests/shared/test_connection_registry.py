"""Which connection leaves when all places are taken."""

from shared.web.connections import Connections


class Places:
    """The registry, with connections that note when they have to leave."""

    def __init__(self, most: int) -> None:
        self.registry = Connections(most)
        self.left: list[str] = []

    def enter(self, name: str, address: str) -> bool:
        took = self.registry.enter(name, address)
        if took:
            self.registry.wait(name, lambda: self.left.append(name))
        return took


def test_the_one_that_waited_longest_leaves_and_of_the_network_with_the_most():
    places = Places(4)
    for name, address in (("a", "10.0.0.1"), ("b", "10.0.0.2"), ("c", "10.0.0.2")):
        assert places.enter(name, address)
    assert places.enter("d", "10.0.0.3")
    assert places.enter("e", "10.0.0.4")
    assert places.left == ["b"]
    assert len(places.registry) == 4


def test_one_network_takes_half_of_the_places_and_an_ipv6_customer_is_one():
    places = Places(4)
    for number in range(5):
        assert places.enter(str(number), f"2001:db8::{number}")
    assert places.left == ["0", "1", "2"]
    assert places.enter("other", "2001:db8:0:1::1")
    assert places.left == ["0", "1", "2"]


def test_one_that_works_stays_and_leaving_twice_frees_one_place():
    places = Places(2)
    places.enter("a", "10.0.0.1")
    places.registry.work("a")
    assert not places.enter("b", "10.0.0.1")
    for _ in range(2):
        places.registry.leave("a")
    assert places.enter("b", "10.0.0.1")
    assert places.left == []
