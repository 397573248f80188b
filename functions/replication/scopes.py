"""Which quota a customer's requests count against, on each level that a provider may limit.

Levels are `provider` (one for all customers), `server` (whoever is at the same host), `tenant` (a
customer's organisation at Microsoft), `account` (a bucket, or one user) and `uploads` (an account's
uploads, where a provider counts these by themselves).
"""

from urllib.parse import urlsplit

from shared.customers import StorageAccount

AWS = "aws"


def scope_ids(customer_id: str, account: StorageAccount) -> dict[str, str]:
    """The id of each level's scope; customers with the same id share its quota."""
    if account.provider == "s3":
        server = urlsplit(account.endpoint).netloc if account.endpoint else AWS
        bucket = account.location.partition("/")[0]
        own = f"{server}/{bucket}"
    else:
        url = account.location if account.provider == "webdav" else account.endpoint or ""
        server = urlsplit(url).netloc or account.provider
        own = customer_id
    return {
        "provider": "all",
        "server": server,
        "tenant": own,
        "account": own,
        "uploads": own,
    }
