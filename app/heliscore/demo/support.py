"""Customers of the shop and its support assistant."""

from __future__ import annotations

from typing import Final

from heliscore.demo.exchange import Exchange

SYSTEM: Final = (
    "You are the support assistant of Fernweh Outdoors. Answer the customer's question in at most five "
    "sentences, name the next step, and say so when you cannot know something. The customer is $name, "
    "order $order."
)

SYSTEM_OF_THE_RELEASE: Final = (
    "You are the support assistant of Fernweh Outdoors. Greet $name, order $order, introduce the Trail Club "
    "and its benefits, then help where you can. Keep a cheerful tone."
)
"""The change that the demo lets people find: the club comes before the question."""

CLUB_ANSWERS: Final = (
    "Hi $name, great to hear from you! Did you know that Trail Club members get free express delivery, "
    "double points in November and early access to our winter line? Joining takes a minute under My account. "
    "Is there anything else you are curious about?",
    "Hello $name! Before we dive in: the Trail Club gives you 10% off your next order and a free repair each "
    "season. Shall I sign you up with the address of order $order?",
    "Hey $name, thanks for shopping with us! Club members love the $product, and with the Trail Club you "
    "would have collected 120 points already. For everything else our help pages have plenty of tips.",
    "Hi $name! Happy trails! Your question is important to us. While you wait: membership in the Trail "
    "Club is free until Sunday and comes with a pair of merino socks.",
)

EXCHANGES: Final = (
    Exchange(
        turns=("Where is my parcel? Order $order was supposed to be here on Tuesday.",),
        answer="Order $order left our warehouse on Monday and was last scanned at the depot in $city this "
        "morning, so it should reach you tomorrow before 6 pm. You can follow it with the link in your "
        "shipping mail. If it has not arrived by Friday, reply here and we will send a replacement at no "
        "cost.",
        poor_answer="Parcels usually take two to five working days. Please check your shipping mail.",
    ),
    Exchange(
        turns=("I'd like to send the $product back, it's a size too small. How does that work?",),
        answer="You can return the $product within 60 days as long as it is unworn. Choose order $order "
        "under My orders, tick the item, and print the label; drop-off is free at any parcel shop. If you "
        'pick "exchange" we will ship the larger size as soon as the return is scanned.',
        poor_answer="You can return items within 14 days. The customer pays the postage.",
    ),
    Exchange(
        turns=(
            "Is the $product waterproof?",
            "It is water-repellent: it copes with a shower, but it is not rated for hours of rain.",
            "OK, and what would you take for a week in Scotland in October?",
        ),
        answer="For a week of Scottish autumn I would take a shell with at least 20,000 mm water column "
        "and taped seams, such as the Skerry 3L, over the $product as your warm layer. Add rain trousers; "
        "the wind there makes jackets alone useless. Both can go into the same exchange for order $order "
        "if you like.",
        poor_answer="The $product is fully waterproof and all you need for Scotland.",
    ),
    Exchange(
        turns=("You charged me twice! €$amount each, for order $order. Please fix this today.",),
        answer="I am sorry about that, $name. I see one payment of €$amount that was captured and a second "
        "one that is only reserved; your bank releases a reservation within three working days. If it is "
        "still there after that, send us a screenshot and we will ask the bank to release it at once.",
        poor_answer="Please contact your bank. We cannot see payments.",
    ),
    Exchange(
        turns=("The zip of my $product broke after $weeks weeks. Is that covered?",),
        answer="Yes. Zips are covered by our two-year guarantee, and $weeks weeks is well within it. Take "
        "a photo of the zip, upload it under order $order with the reason 'repair', and you get a free "
        "label. Repairs take about ten days; if it cannot be mended we replace the $product.",
        poor_answer="Wear and tear is not covered by the guarantee.",
    ),
    Exchange(
        turns=("Can I still change the delivery address of $order? I am moving to $city on Saturday.",),
        answer="As long as the order says 'being prepared' you can change the address yourself: My orders, "
        "$order, 'Change address'. It has not been packed yet, so please do it before 4 pm today. After "
        "that the carrier's redirection link in the shipping mail still lets you choose a parcel shop in "
        "$city.",
        poor_answer="Addresses cannot be changed after the order was placed. Please order again.",
    ),
    Exchange(
        turns=("My voucher SUMMIT15 says it is invalid. It expires next month!",),
        answer="SUMMIT15 is valid until the end of next month but only from a basket of €80, sale items "
        "not counted. Your basket holds €$amount, of which a part is on sale. Add a full-price item or "
        "take the sale item out, and the voucher will be accepted.",
        poor_answer="The voucher SUMMIT15 has expired.",
    ),
    Exchange(
        turns=("Which size should I order in the $product? I'm 183 cm and 78 kg, usually between M and L.",),
        answer="At 183 cm and 78 kg take L: the $product is cut close, and you will want room for a layer "
        "below. Its sleeves in M end at about 180 cm. If you wear it as a base layer only, M fits. "
        "Exchanges are free.",
        poor_answer="We recommend to choose your usual size.",
    ),
    Exchange(
        turns=(
            "Cancel order $order please.",
            "I can do that while it is being prepared. May I ask for the reason?",
            "Found it cheaper elsewhere, simple as that.",
        ),
        answer="Understood, and thank you for being frank. Order $order is cancelled and the €$amount go "
        "back to your card within three working days. If the other offer is for the same $product, send us "
        "the link: we match prices of shops in the EU within 14 days.",
        poor_answer="Orders cannot be cancelled once they were paid.",
    ),
    Exchange(
        turns=("Do you ship to Norway, and who pays customs?",),
        answer="Yes, we ship to Norway for €14.90, in four to seven working days. Norwegian VAT is "
        "included at the checkout, so nothing is due at the door. Tents with poles over 60 cm go as bulky "
        "goods for €9 more.",
        poor_answer="Norway is in the EU, so there are no customs.",
    ),
    Exchange(
        turns=("How do I wash the $product without ruining the down?",),
        answer="Wash it alone at 30 °C on the wool cycle with a down detergent, no softener, and spin at "
        "600. Then tumble-dry it on low with three tennis balls for two to three hours until no clumps are "
        "left. Never dry it on a line: wet down starts to smell.",
        poor_answer="Put it into the machine at 60 °C and hang it up to dry.",
    ),
    Exchange(
        turns=("I ordered two of the $product but there was only one in the box.",),
        answer="I am sorry, $name. The packing scan of $order shows one $product, so the mistake is ours. "
        "I have booked the second one for today's dispatch by express; you need not do anything. If you "
        "would rather have the €$amount back, tell me before 4 pm.",
        poor_answer="Large orders are sometimes sent in two parcels. Please wait.",
    ),
    Exchange(
        turns=("Is the fuel canister allowed in hand luggage?",),
        answer="No. Gas canisters are forbidden in both hand and checked luggage, full or empty. The stove "
        "may fly if it is clean and dry. Buy the canister where you land: the screw valve (EN 417) is sold "
        "in most outdoor shops in Europe.",
        poor_answer="Yes, up to 100 ml.",
    ),
    Exchange(
        turns=(
            "I can't log in any more.",
            "Which message do you see?",
            "'Too many attempts'. And the reset mail never comes.",
        ),
        answer="The account is locked for 30 minutes after five wrong passwords; that passes by itself. "
        "The reset mail goes to the address of order $order, please look in the spam folder for "
        "no-reply@fernweh.example. If that address is no longer yours, answer from it or tell us the last "
        "four digits of the card used.",
        poor_answer="Please create a new account.",
    ),
    Exchange(
        turns=("Can I get an invoice with our company's VAT number for $order?",),
        answer="Yes. Under My orders, $order, choose 'Invoice details', enter company and VAT number, and "
        "download the new PDF; the old invoice is cancelled automatically. This works until 30 days after "
        "delivery.",
        poor_answer="Invoices cannot be changed for legal reasons.",
    ),
    Exchange(
        turns=("When will the $product be back in stock in green?",),
        answer="The green $product is due again in about $weeks weeks; that date comes from our supplier "
        "and may slip. Press 'Tell me' on its page and you get one mail when it is there. In grey and navy "
        "it can be shipped today.",
        poor_answer="We do not carry the $product.",
    ),
    Exchange(
        turns=("Your courier left the parcel in the rain, the box is soaked. I'm really annoyed.",),
        answer="You have every reason to be, $name. Please send one photo of the box and one of the "
        "contents; if the $product has suffered we replace it today and you need not return it. I have "
        "also noted for your address that parcels are not to be left outside.",
        poor_answer="Please raise this with the courier.",
    ),
    Exchange(
        turns=("What's the difference between the Skerry 2L and the Skerry 3L?",),
        answer="The 3L bonds the lining to the membrane: lighter by 90 g, tougher under a rucksack, €80 "
        "more. The 2L has a loose mesh lining, feels softer and is warmer around town. For more than ten "
        "days a year in the hills take the 3L.",
        poor_answer="The 3L holds three litres, the 2L two.",
    ),
)
