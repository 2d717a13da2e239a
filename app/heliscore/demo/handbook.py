"""The staff's questions about the handbook, answered from the passages that a search found."""

from __future__ import annotations

from typing import Final

from heliscore.demo.exchange import Exchange

SYSTEM: Final = (
    "Answer from the passages below and from nothing else. Cite each statement with the number of its "
    "passage, like [1]. If the passages do not say it, answer that the handbook does not say it."
)

EXCHANGES: Final = (
    Exchange(
        turns=("How many days of leave can I carry over into next year?",),
        context="[1] Leave: full-time staff have 28 days a year. [2] Up to 5 days may be carried over and "
        "must be taken by 31 March; exceptions are agreed with People in writing.",
        answer="You may carry over up to 5 days, and have to take them by 31 March [2]. For more, agree it "
        "with People in writing [2].",
        poor_answer="You can carry over 10 days until the end of June.",
    ),
    Exchange(
        turns=("What is the limit for a hotel in Oslo?",),
        context="[1] Hotels: up to €130 a night. [2] In Oslo, Zurich, London and Copenhagen up to €190. "
        "[3] Above the limit, ask your lead before booking.",
        answer="In Oslo the limit is €190 a night instead of the usual €130 [1][2]. If you find nothing "
        "below it, ask your lead before you book [3].",
        poor_answer="The limit is €130 a night.",
    ),
    Exchange(
        turns=("Who may open the warehouse gate outside opening hours?",),
        context="[1] Gate 2 is opened by shift leads with badge level C. [2] From 22:00 to 05:00 security "
        "must be called first at extension 400.",
        answer="Shift leads whose badge has level C [1]; between 22:00 and 05:00 only after calling "
        "security at extension 400 [2].",
        poor_answer="Any member of staff can open the gate with their badge at any time.",
    ),
    Exchange(
        turns=("Do returned sleeping bags go back on the shelf?",),
        context="[1] Textiles are inspected at station R3. [2] Sleeping bags and underwear with a broken "
        "hygiene seal are never resold; they go to repair donation.",
        answer="Only if the hygiene seal is intact after the inspection at R3 [1][2]. With a broken seal "
        "they are never resold and go to repair donation [2].",
        poor_answer="Yes, after washing they are sold as new.",
    ),
    Exchange(
        turns=("How do I report an accident in the shop?",),
        context="[1] First aid comes first: kit and list of first-aiders hang by the tills. [2] Enter "
        "every accident in the incident form within 24 hours. [3] Call the safety officer at once if a "
        "doctor is needed.",
        answer="See to first aid, the kit hangs by the tills [1]. Then fill in the incident form within 24 "
        "hours [2], and if a doctor is needed call the safety officer at once [3].",
        poor_answer="Send an e-mail to your lead by the end of the month.",
    ),
    Exchange(
        turns=("Can I work from abroad for a few weeks?",),
        context="[1] Up to 30 days a year in the EU, agreed with your lead. [2] Outside the EU it is not "
        "possible, for reasons of tax and insurance.",
        answer="Inside the EU yes, up to 30 days a year if your lead agrees [1]. Outside the EU it is not "
        "possible [2].",
        poor_answer="Yes, anywhere, as long as you have a good connection.",
    ),
    Exchange(
        turns=("What discount do I get on demo skis?",),
        context="[1] Staff discount: 30% on everything but demo goods. [2] Demo goods are sold to staff at "
        "cost in April.",
        answer="The 30% do not apply to demo goods [1]. In April they are sold to staff at cost [2].",
        poor_answer="You get 30% on demo skis.",
    ),
    Exchange(
        turns=("How long do we keep camera footage?",),
        context="[1] Video of sales areas is kept for 72 hours and then overwritten. [2] It may be "
        "exported only on request of the police, by two people together.",
        answer="72 hours, then it is overwritten [1]. An export needs a request of the police and two "
        "people [2].",
        poor_answer="Footage is kept for 30 days.",
    ),
    Exchange(
        turns=("Am I paid for the first aid course?",),
        context="[1] Courses that the company asks for count as working time. [2] The first aid course is "
        "offered every May.",
        answer="Courses that the company asks for count as working time [1], and the first aid course is "
        "offered every May [2]. The handbook does not say whether it is asked of you; please check with "
        "your lead.",
        poor_answer="Yes, with a bonus of €50.",
    ),
    Exchange(
        turns=(
            "Which carrier do we use for kayaks?",
            "Kayaks go with the freight carrier, booked through the bulky goods form [1].",
            "And until when do I have to book?",
        ),
        context="[1] Kayaks, roof boxes: freight, bulky goods form. [2] Freight is picked up on Tuesdays and "
        "Fridays; bookings close at noon of the day before.",
        answer="By noon of the day before the pick-up, so Monday noon for Tuesdays and Thursday noon for "
        "Fridays [2].",
        poor_answer="You can book until an hour before the pick-up.",
    ),
    Exchange(
        turns=("What do I do when the till says 'journal full'?",),
        context="[1] 'Journal full': close the till's day, wait for the export, reopen. [2] Never switch a "
        "till off during the export. [3] IT helps at extension 210.",
        answer="Close the day on that till, wait for the export to finish and open it again [1]. Do not "
        "switch it off meanwhile [2]; IT helps at extension 210 [3].",
        poor_answer="Switch the till off and on again.",
    ),
    Exchange(
        turns=("Is parental leave counted as length of service?",),
        context="[1] Length of service counts from the first day of the contract. [2] Unpaid leave of over "
        "three months is not counted, parental leave is.",
        answer="Yes, parental leave is counted [2], from the first day of the contract on [1].",
        poor_answer="No, unpaid leave is never counted.",
    ),
    Exchange(
        turns=("How do I dispose of damaged batteries from head torches?",),
        context="[1] Damaged or swollen lithium batteries go into the red sand box at gate 1. [2] Intact "
        "ones into the collection bin. [3] Never into the press.",
        answer="Damaged or swollen ones go into the red sand box at gate 1 [1], never into the press [3]. "
        "Intact ones go into the collection bin [2].",
        poor_answer="Put them into the residual waste.",
    ),
    Exchange(
        turns=("Can customers pay part of an order with a gift card?",),
        context="[1] Gift cards can be combined with any other way of paying. [2] They are not paid out, "
        "except for balances below €5.",
        answer="Yes, a gift card can be combined with any other way of paying [1].",
        poor_answer="No, a gift card has to cover the whole order.",
    ),
)
