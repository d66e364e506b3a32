"""The pages to which links in mails lead, where MAIL_LINKS_URL names no others (SPEC §5).

Opening one changes nothing: mail scanners open every link. What the link permits is asked for by the page's button, with a
POST that the page's one script sends. The token stays out of everything but the address and that POST: the page is not
stored, tells no other site where it is (Referrer-Policy), and loads nothing from elsewhere.
"""

from fastapi import APIRouter
from starlette.responses import HTMLResponse, Response

from functions.common import pages

SCRIPT = "links.js"
# "form-action 'none'": without its script a form must not send a password anywhere, least of all into the address.
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_WITHOUT_SCRIPT = '<noscript><p class="notice error">This page needs JavaScript.</p></noscript>'

_VERIFY = f"""<div class="card">
<h1>Confirm your e-mail address</h1>
<form data-action="/api/auth/verify-email" data-done="Your address is confirmed. You can close this page.">
<p>Confirm that this address is yours. If you have not asked for this, close the page: nothing will happen.</p>
{_WITHOUT_SCRIPT}
<button type="submit">Confirm</button>
</form>
<p class="notice" role="status" aria-live="polite" tabindex="-1"></p>
</div>"""

_RESET = f"""<div class="card">
<h1>Choose a new password</h1>
<form data-action="/api/auth/reset-password"
 data-done="Your password is set. Every device has been signed out: sign in again with the new one.">
{_WITHOUT_SCRIPT}
<label for="password">New password</label>
<input id="password" name="password" type="password" autocomplete="new-password" minlength="10" maxlength="128" required
 aria-describedby="rule">
<p id="rule" class="hint">10 to 128 characters. A few words that you remember are better than a riddle.</p>
<label class="check"><input type="checkbox" data-shows="password"> Show the password</label>
<button type="submit">Set the password</button>
</form>
<p class="notice" role="status" aria-live="polite" tabindex="-1"></p>
</div>"""


def add_routes(router: APIRouter) -> None:
    for path, name, endpoint in (
        ("/auth/verify-email", "auth_verify_email_page", verify_email_page),
        ("/auth/reset-password", "auth_reset_password_page", reset_password_page),
    ):
        router.get(path, name=name, response_class=HTMLResponse)(endpoint)


async def verify_email_page() -> Response:
    """Where the link of a `verify_email` mail leads. Its button sends the token."""
    return _page("Confirm your e-mail address", _VERIFY)


async def reset_password_page() -> Response:
    """Where the link of a `reset_password` mail leads."""
    return _page("Choose a new password", _RESET)


def _page(title: str, body: str) -> Response:
    return pages.page(title, body, policy=POLICY, script=SCRIPT, headers={"Cache-Control": "no-store"})
