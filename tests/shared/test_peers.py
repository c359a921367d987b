import asyncio

from shared.web.peers import Peers


def test_a_peer_is_up_where_one_of_its_addresses_answers(service, serving):
    with serving(service()) as url:
        gone = "http://127.0.0.1:9"
        peers = Peers({"one": [gone, url], "other": [gone]})
        asyncio.run(peers.look())
    assert peers.up == {"one": True, "other": False}


def test_what_was_seen_a_moment_ago_is_not_asked_for_again(service, serving):
    with serving(service()) as url:
        peers = Peers({"one": [url]})
        asyncio.run(peers.look())
    asyncio.run(peers.look())
    assert peers.up == {"one": True}


def test_metrics_tell_which_peers_answer(service, ask):
    app = service(asks=("embedder",), embedder_url="http://127.0.0.1:9")
    text = ask(app, "GET", "/metrics").text
    assert 'ise_peer_up{peer="embedder",service="nothing"} 0.0' in text
    assert 'ise_ready{service="nothing"} 1.0' in text
    ask(app, "POST", "/health")
    assert ask(app, "GET", "/metrics").text.count('ise_problems_total{kind="unavailable"') == 1


def test_ready_says_in_plain_words_what_waits_for_a_service_that_is_away_or_starting(
    service, serving, ask
):
    work = {"embedder": "Search by picture", "indexer": "Adding pictures"}
    starting = service(not_ready=lambda: "The models are being loaded.")
    with serving(starting) as url:
        app = service(asks=work, embedder_url=url, indexer_url="http://127.0.0.1:9")
        answer = ask(app, "GET", "/ready")
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "status": "ready",
            "missing": {"embedder": "starting", "indexer": "away"},
            "paused": [
                "Search by picture is paused: the embedder is starting.",
                "Adding pictures is paused: the indexer is not running at the moment.",
            ],
        },
    )


def test_nothing_is_paused_where_all_are_there(service, serving, ask):
    with serving(service()) as url:
        app = service(asks={"embedder": "Search by picture"}, embedder_url=url)
        assert ask(app, "GET", "/ready").json() == {"status": "ready"}
