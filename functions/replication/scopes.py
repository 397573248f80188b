"""Which quota a customer's requests count against, on each level that a provider may limit.

Levels are `provider` (one for all customers), `server` (whoever is at the same host) and `account`
(a bucket, or one user at a server).
"""

from urllib.parse import urlsplit

from shared.customers import StorageAccount

AWS = "aws"


def scope_ids(customer_id: str, account: StorageAccount) -> dict[str, str]:
    """The id of each level's scope; customers with the same id share its quota."""
    if account.provider == "s3":
        server = urlsplit(account.endpoint).netloc if account.endpoint else AWS
        bucket = account.location.partition("/")[0]
        return {"provider": "all", "server": server, "account": f"{server}/{bucket}"}
    server = urlsplit(account.location).netloc
    return {"provider": "all", "server": server, "account": customer_id}
