"""What tests look at in an answer."""


def ids(answer):
    return [hit["id"] for hit in answer["hits"]]
