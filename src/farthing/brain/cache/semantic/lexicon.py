"""English words that turn a question into another one, or that leave it as it is. Rows, written by hand."""


def _row(text: str) -> list[str]:
    return text.split()


NEGATIONS = frozenset(_row("no not never none nothing nobody nowhere neither nor without cannot hardly barely except unless stop"))

CONTRACTIONS = {
    "can't": "can not",
    "won't": "will not",
    "shan't": "shall not",
    "ain't": "is not",
    "cant": "can not",
    "dont": "do not",
    "doesnt": "does not",
    "didnt": "did not",
    "isnt": "is not",
    "wasnt": "was not",
    "havent": "have not",
    "hasnt": "has not",
    "wont": "will not",
    "whats": "what is",
    "wheres": "where is",
    "hows": "how is",
    "im": "i am",
    "ive": "i have",
    "let's": "let us",
    "gonna": "going to",
    "wanna": "want to",
    "gotta": "have to",
    "cannot": "can not",
    "u": "you",
    "ur": "your",
    "pls": "please",
    "plz": "please",
}
ENDINGS = {"n't": "not", "'re": "are", "'ve": "have", "'ll": "will", "'m": "am", "'d": "would"}  # 's is dropped: is, has or of

NUMBERS = {
    word: value
    for value, word in enumerate(
        _row("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen")
    )
} | {word: 10 * value for value, word in enumerate(_row("twenty thirty forty fifty sixty seventy eighty ninety"), 2)}
SCALES = {"hundred": 100, "thousand": 1000, "million": 1_000_000, "billion": 1_000_000_000, "dozen": 12}
ORDINALS = {
    word: value for value, word in enumerate(_row("first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"), 1)
} | {"last": -1, "half": -2, "double": -3, "twice": -3, "once": -4, "single": -5, "both": -6, "triple": -7}

DATES = frozenset(
    _row(
        "monday tuesday wednesday thursday friday saturday sunday mon tue tues wed thu thur thurs fri sat sun weekday weekdays weekend "
        "weekends january february march april june july august september october november december jan feb mar apr jun jul aug sep "
        "sept oct nov dec today tomorrow yesterday tonight morning afternoon evening night noon midnight midday now currently current "
        "latest recent recently spring summer autumn winter fall christmas easter thanksgiving halloween daily weekly monthly yearly "
        "annually annual hourly am pm day days week weeks month months year years hour hours minute minutes quarter decade century "
        "next previous ago later earlier breakfast lunch dinner"
    )
)

# Words that shape a question and hardly change what it asks for.
LIGHT = frozenset(
    _row(
        "a an the of in on at to for by with from as and or but if then than that this these those there here it its is are was were "
        "be been being am do does did done doing have has had having can could will would shall should may might must i you he she we "
        "they me him her us them my your his our their mine yours what which who whom whose when where why how please tell know get "
        "got find want wanted need needed help explain give show let like just really very so too also any some someone anyone people "
        "person one way ways best possible able thing things make go going think say ask question would hi hello hey thanks thank "
        "kindly actually basically exactly anything something about into up out much many lot"
    )
)

PLACES_BETWEEN = frozenset(
    _row("from to into onto for by with without before after over under above below in out on off until since via than against")
)
TOGETHER = frozenset(_row("and or vs versus between"))
ASKING = frozenset(_row("who what when where why how which whose whom"))
MEASURES = frozenset(_row("many much long often far old big large tall fast soon late early high deep heavy likely good"))
TENSES = {
    "was": "past",
    "were": "past",
    "did": "past",
    "had": "past",
    "is": "now",
    "are": "now",
    "am": "now",
    "do": "now",
    "does": "now",
    "has": "now",
    "have": "now",
    "will": "next",
    "shall": "next",
    "would": "if",
    "could": "if",
    "should": "ought",
    "must": "ought",
    "can": "can",
    "may": "can",
    "might": "can",
    "used": "past",
    "became": "past",
    "become": "becoming",
}
PERSONS = {
    "i": "i",
    "me": "i",
    "my": "i",
    "mine": "i",
    "we": "i",
    "us": "i",
    "our": "i",
    "he": "he",
    "him": "he",
    "his": "he",
    "she": "she",
    "her": "she",
    "they": "they",
    "them": "they",
    "their": "they",
}

# Before the slash what excludes what is after it, both ways round.
OPPOSITES = """
more most greater greatest higher highest up upper above over/less least fewer fewest lesser lower lowest down
more most greater greatest higher highest up upper above over/under below smaller smallest shorter shortest minimum min bottom
bigger biggest larger largest longer longest taller maximum max top/less least fewer fewest lesser lower lowest down
bigger biggest larger largest longer longest taller maximum max top/under below smaller smallest shorter shortest minimum min bottom
increase raise grow gain rise expand boost upgrade add enlarge/decrease reduce shrink lose lower drop fall cut downgrade remove subtract
open unlock unblock enable activate start begin turn-on on/close shut lock block disable deactivate stop end finish turn-off off
begin start first early earlier earliest beginning opening/end finish last late later latest ending closing
begin start first early earlier earliest beginning opening/depart departure leave go exit outside out outbound
arrive arrival come enter entry inside in inbound/end finish last late later latest ending closing
arrive arrival come enter entry inside in inbound/depart departure leave go exit outside out outbound
before prior previous past pre/after following next future post
buy purchase acquire import borrow rent take receive accept get withdraw/sell sale export lend let give send reject refuse deliver deposit
good best better positive right correct true/bad worst worse negative wrong incorrect false
good best better positive right correct true/cons disadvantage disadvantages drawback drawbacks weakness weaknesses downside
pros advantage advantages benefit benefits strength strengths upside/bad worst worse negative wrong incorrect false
pros advantage advantages benefit benefits strength strengths upside/cons disadvantage disadvantages drawback
pros advantage advantages benefit benefits strength strengths upside/drawbacks weakness weaknesses downside
safe legal allowed permit permitted valid possible secure/dangerous unsafe illegal forbidden prohibit
safe legal allowed permit permitted valid possible secure/prohibited invalid impossible insecure risky
hot warm heat heating/cold cool cooling freezing
rich expensive dear costly paid/poor cheap cheapest inexpensive free
cheap cheapest/dearest priciest
fast quick rapid quicker fastest quickest/slow slower slowest
strong hard difficult tough heavy thick deep wide high/weak easy simple soft light thin shallow narrow low
hard harder hardest difficult/easy easier easiest soft
easiest/toughest
big large long tall huge major/small little short tiny minor
old older oldest ancient/young younger youngest new newest modern
light bright day/dark dim night
north northern/south southern
east eastern/west western
left/right
male man men boy husband father son brother king he him/female woman women girl wife mother daughter sister queen she her
love like enjoy/hate dislike
win succeed success pass victory/lose fail failure defeat
alive live living birth born/dead die dying death died
save keep hold retain remember/delete erase discard throw forget spend
always everyone everything everybody all every/never nobody nothing none no
public external/private internal
happy glad/sad unhappy upset
healthy well/sick ill
full/empty
wet/dry
loud/quiet silent mute
input/output
import/export
upload/download
push/pull
attack offense/defend defense
include included with/exclude excluded without
connect attach join link/disconnect detach leave unlink separate
show display reveal visible/hide conceal hidden invisible
create build make construct/destroy demolish break
natural organic/artificial synthetic
domestic national local/foreign international global
single one unmarried/multiple several married many
front forward ahead/back backward behind
present/absent
same equal similar/different unequal opposite
agree support for pro/disagree oppose against con
credit/debit
income revenue profit asset/expense cost loss liability
lend/borrow
employer teacher parent doctor buyer host landlord/employee student child patient seller guest tenant
teach/learn
ask question/answer reply
question/answer
even/odd
vertical/horizontal
optimist optimistic/pessimist pessimistic
theory theoretical/practice practical
cause/effect
mental/physical
active/passive
accept approve confirm/decline deny cancel
approve confirm/deny cancel
increase/limit
follow/unfollow
encrypt/decrypt
compress/decompress
subscribe/unsubscribe
hire/fire
freeze/unfreeze
mount/unmount
install/uninstall
virtual online/offline
sunrise/sunset
ceiling/floor
wake/sleep
lucky/unlucky
sent outgoing/received incoming
credit/charge
refund/charge
plus/minus
multiply/divide
sum/difference
positive/negative
major/minor
majority/minority
superior/inferior
temporary/permanent
often frequently usually/rarely seldom
near close nearby nearest closest/far distant away farthest furthest
beautiful attractive pretty/ugly unattractive
clean/dirty
brave/cowardly
honest/dishonest
polite/rude
generous/selfish greedy
innocent/guilty
humble modest/arrogant proud
mature/immature
moral/immoral
rational/irrational
responsible/irresponsible
sober/drunk
religious/atheist
democrat liberal left/republican conservative right
vegetarian vegan/carnivore
introvert/extrovert
smart intelligent clever wise/dumb stupid foolish
lazy/hardworking diligent
calm/anxious nervous
friend ally/enemy foe
peace/war
freedom/slavery
heaven/hell
god angel/devil demon
hero/villain
demand/supply
wholesale/retail
victim/criminal
domestic/wild
acid/base alkaline
gas/solid liquid
solid/liquid
""".strip()


def _opposites() -> dict[str, frozenset[str]]:
    table: dict[str, set[str]] = {}
    for line in OPPOSITES.splitlines():
        left, right = (side.split() for side in line.split("/"))
        for one in left:
            table.setdefault(one, set()).update(right)
        for other in right:
            table.setdefault(other, set()).update(left)
    return {word: frozenset(others) for word, others in table.items()}


OPPOSITE = _opposites()
OPPOSING_PREFIXES = _row("un in im il ir dis de non mis anti over under pre post")
