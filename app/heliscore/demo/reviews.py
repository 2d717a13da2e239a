"""Changes to the shop's code and what the review assistant says of them."""

from __future__ import annotations

from typing import Final

from heliscore.demo.exchange import Exchange

SYSTEM: Final = (
    "You review changes to the shop's code. Name the most serious problem first, with its line and a fix. If "
    "there is none, say so; do not comment on style."
)


def _review(path: str, diff: str, answer: str, poor_answer: str = "Looks good to me.") -> Exchange:
    question = f"Review this change to {path}:\n\n```diff\n{diff}\n```"
    return Exchange(turns=(question,), answer=answer, poor_answer=poor_answer)


EXCHANGES: Final = (
    _review(
        "orders/search.py",
        '-    cursor.execute("SELECT id FROM orders WHERE email = %s", (email,))\n'
        "+    cursor.execute(f\"SELECT id FROM orders WHERE email = '{email}'\")",
        "SQL injection: the new line puts `email`, which comes from the form, into the statement's text. "
        "Keep the parameter as it was.",
        "Good use of an f-string, this is more readable. Consider a longer variable name.",
    ),
    _review(
        "basket/total.py",
        "-    total = sum(line.price_cents * line.count for line in lines)\n"
        "+    total = sum(line.price * line.count for line in lines)",
        "`price` is a float in euros, `price_cents` an integer: three lines of 0.1 add up to "
        "0.30000000000000004, and `charge()` below expects cents. Keep the integers.",
    ),
    _review(
        "stock/reserve.py",
        "+    item = Item.get(id)\n+    if item.count > 0:\n+        item.count -= 1\n+        item.save()",
        "Two customers can both read `count == 1` and reserve the last piece. Do it in one statement: "
        "`UPDATE item SET count = count - 1 WHERE id = %s AND count > 0`, and look at the number of rows.",
        "Consider renaming `item` to `stock_item`.",
    ),
    _review(
        "mail/queue.py",
        "+def send_all(mails, sent=[]):\n+    for mail in mails:\n+        sent.append(deliver(mail))\n+   "
        " return sent",
        "The default `sent=[]` is made once and shared by all calls: the second call returns the first "
        "call's mails too. Use `sent=None` and make the list inside.",
    ),
    _review(
        "web/login.py",
        "-    if hmac.compare_digest(given, expected):\n+    if given == expected:",
        "`==` stops at the first byte that differs, so the time it takes gives the token away. Keep "
        "`hmac.compare_digest`.",
        "`==` is simpler and faster. Approved.",
    ),
    _review(
        "reports/daily.py",
        "+    try:\n+        upload(report)\n+    except Exception:\n+        pass",
        "A failed upload is dropped without a trace, and tomorrow nobody knows why the report is missing. "
        "Catch `UploadError` only, log it and let the job fail, so that it is retried.",
    ),
    _review(
        "web/images.py",
        '+    path = UPLOADS / request.query["name"]\n+    return FileResponse(path)',
        "Path traversal: `name=../../etc/passwd` leaves the folder. Resolve the path and check "
        "`path.is_relative_to(UPLOADS)`, or look the name up in the table of uploads.",
    ),
    _review(
        "delivery/slots.py",
        "-    now = datetime.now(UTC)\n+    now = datetime.now()",
        "Without a zone this is the server's local time, while `slot.begins_at` is in UTC: comparing the "
        "two raises TypeError. Keep `datetime.now(UTC)`.",
    ),
    _review(
        "jobs/retry.py",
        "+    while True:\n+        try:\n+            return call()\n+        except TimeoutError:\n+     "
        "       continue",
        "This retries for ever and without a pause, which keeps a service that is struggling down. Limit "
        "it to five attempts and wait with jitter between them.",
        "Clean retry logic. You could log the exception.",
    ),
    _review(
        "catalogue/pages.py",
        "+    for product in Product.all():\n+        product.brand = Brand.get(product.brand_id)",
        "One query for each product: 4,000 for the catalogue page. Load the brands once with "
        "`Brand.where(id=ids)` and look them up in a dict.",
    ),
    _review(
        "returns/label.py",
        '-    label = await create_label(order)\n+    label = create_label(order)\n     log.info("label '
        '%s", label.id)',
        "Without `await`, `label` is a coroutine: `.id` raises AttributeError, and no label is made.",
    ),
    _review(
        "payment/refund.py",
        "-    refund(order, key=order.refund_key)\n+    refund(order)",
        "The idempotency key is gone: when the answer is lost and the job runs again, the customer is "
        "refunded twice. Keep `key=order.refund_key`.",
    ),
    _review(
        "web/basket.html",
        "-  <p>{{ note }}</p>\n+  <p>{{ note | safe }}</p>",
        "`note` is what the customer typed; with `safe` a script in it runs for whoever opens the order. "
        "Remove the filter.",
        "Nice, this allows customers to format their notes.",
    ),
    _review(
        "stock/import_csv.py",
        "-    rows = csv.reader(file)\n+    rows = list(csv.reader(file))",
        "No problem found. The supplier's files have at most 20,000 lines, so reading them at once is "
        "fine, and the count that is logged below needs the list.",
        "Critical: `list()` is not thread-safe here and will corrupt the file.",
    ),
)
