"""Whoever asks the simulators of Google Drive and Microsoft Graph, as their documentation says."""

import json
from typing import Any

import requests

from local.providers.client import Simulator
from tests.providers.simulators import ACCOUNT, TOKENS

FOLDER = "application/vnd.google-apps.folder"


def bearer(running: Simulator, account: dict[str, str] = ACCOUNT) -> str:
    """A new access token of an account's."""
    form = {"grant_type": "refresh_token", "refresh_token": account["refresh_token"], **TOKENS}
    with requests.Session() as session:
        session.trust_env = False
        reply = session.post(running.token_url, form, timeout=30)
    return f"Bearer {reply.json()['access_token']}"


class Client:
    """One connection, with an account's token on each request."""

    base = ""

    def __init__(self, running: Simulator, account: dict[str, str] = ACCOUNT) -> None:
        self.running, self.url = running, running.url
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = bearer(running, account)

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:
        """`path` below the API's beginning, or a URL."""
        url = path if path.startswith("http") else f"{self.url}{self.base}{path}"
        return self.session.request(method, url, timeout=30, allow_redirects=False, **more)


class Drive(Client):
    """Google Drive."""

    base = "/drive/v3"

    def new_id(self) -> str:
        return self.ask("GET", "/files/generateIds?count=1").json()["ids"][0]

    def make_folder(self, name: str, parent: str = "root", **more: Any) -> requests.Response:
        said = {"name": name, "mimeType": FOLDER, "parents": [parent], **more}
        return self.ask("POST", "/files", json=said)

    def upload(
        self, said: dict[str, Any], content: bytes, fields: str = "*", file_id: str = ""
    ) -> requests.Response:
        """In one request with what is said of it."""
        head = b"--edge\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n"
        media = b"\r\n--edge\r\nContent-Type: application/pdf\r\n\r\n"
        body = head + json.dumps(said).encode() + media + content + b"\r\n--edge--"
        return self.ask(
            "PATCH" if file_id else "POST",
            f"{self.url}/upload/drive/v3/files{'/' * bool(file_id)}{file_id}",
            params={"uploadType": "multipart", "fields": fields},
            data=body,
            headers={"Content-Type": "multipart/related; boundary=edge"},
        )

    def begin(self, said: dict[str, Any], size: int | None = None, file_id: str = "") -> str:
        """The address of a resumable upload."""
        headers = {} if size is None else {"X-Upload-Content-Length": str(size)}
        reply = self.ask(
            "PATCH" if file_id else "POST",
            f"{self.url}/upload/drive/v3/files{'/' * bool(file_id)}{file_id}",
            params={"uploadType": "resumable", "fields": "id,name,size,md5Checksum,parents"},
            json=said,
            headers=headers,
        )
        assert (reply.status_code, reply.content) == (200, b"")
        return reply.headers["Location"]

    def send(self, session: str, said: str, content: bytes | Any = b"") -> requests.Response:
        """A chunk; no token is needed. `said` is its Content-Range without the unit."""
        headers = {"Authorization": None, "Content-Range": f"bytes {said}"}
        return self.ask("PUT", session, data=content, headers=headers)

    def find(self, q: str, **more: Any) -> list[str]:
        """The names of the files that a query finds."""
        reply = self.ask("GET", "/files", params={"q": q, "fields": "files/name", **more})
        assert reply.status_code == 200, reply.text
        return [file["name"] for file in reply.json()["files"]]


class Graph(Client):
    """Microsoft Graph, from an account's own drive on."""

    def __init__(self, running: Simulator, account: dict[str, str] = ACCOUNT) -> None:
        super().__init__(running, account)
        drive = running.drive_id(account["name"], account.get("drive_type", "business"))
        self.base = f"/v1.0/drives/{drive}"

    def make_folder(
        self, name: str, parent: str = "root", behaviour: str | None = "fail"
    ) -> requests.Response:
        said: dict[str, Any] = {"name": name, "folder": {}}
        if behaviour is not None:
            said["@microsoft.graph.conflictBehavior"] = behaviour
        return self.ask("POST", f"/{parent}/children", json=said)

    def put(
        self, path: str, content: bytes, behaviour: str | None = None, **headers: str
    ) -> requests.Response:
        """Upload a file in one request; headers with `_` for `-`."""
        query = {} if behaviour is None else {"@microsoft.graph.conflictBehavior": behaviour}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        url = f"/root:/{path}:/content"
        return self.ask("PUT", url, params=query, data=content, headers=named)

    def begin(self, path: str, behaviour: str = "fail", **more: Any) -> requests.Response:
        item = {"@microsoft.graph.conflictBehavior": behaviour}
        said = {"item": {**item, **more.pop("item", {})}, **more}
        return self.ask("POST", f"/root:/{path}:/createUploadSession", json=said)

    def send(self, method: str, session: str, said: str = "", content: Any = b"") -> Any:
        """To a session's address, without a token; `said` is a Content-Range without the unit."""
        headers = {"Authorization": None}
        if said:
            headers["Content-Range"] = f"bytes {said}"
        return self.ask(method, session, data=content, headers=headers)
