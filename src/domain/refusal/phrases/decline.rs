//! How people decline, and how they leave a door open, one pattern a line.

use crate::domain::words::Language;

/// Does not want what was offered.
pub(super) const REFUSAL: &[(Language, &str)] = &[
    (
        Language::En,
        "
decided|choose|chosen|choosing|prefer|like against|not to? * move|proceed|go|take|pursue|continue|participate|work|moving|proceeding
not to? move|proceed|go forward|ahead
wont be moving|proceeding
but|so|then nah|nope|no $
wont|cant|cannot|unable|not be? able|to help|assist|accommodate|oblige|fit|offer|say
fully|already booked|committed|contracted
my|our contract|agreement|exclusivity * doesnt|dont|prevents|forbids|not|with
doesnt|dont|not|wont allow|permit|let * this|it|me|that|$
too busy
no capacity|time|bandwidth|room|space for|to|right|at|$
wrong person|fit|match
already work~|partner~|have|signed * with|another|competitor|exclusiv~|brand
conflict of interest
conflicts with
going|need|want to? skip
ill|will|gonna skip
leave it there|here|at
not looking to|for
not something
not|isnt|arent|never * interested
no interest
not|isnt * interest~ me|us|to
doesnt|dont|not interest me|us
not of interest
ill|well|gonna pass
ill|will|well|must|id * pass on|this|$
ill|well have|need to pass
have|going|need|decided|choosing to pass
have|going|need to * pass on|this|$
i|we pass $
hard pass
^ pass $
^ no thanks|thx|ty|thank $
^ no thanks|thank you?
no thanks|thank|thx you? $
i|we|must|to|respectfully|politely|ill|have|kindly decline
declining
turn~ this|it|you|your|the * down
not|isnt|wouldnt|wont|doesnt|dont * a|the? good|right|great|best|natural|fit|match fit|match|for|$
not|isnt|doesnt|wouldnt|dont * fit|suit|align|match * me|us|my|our|with|the|$
not|isnt for me|us|my
not my|our thing|style|cup|niche|kind|area
not really? something i|we|id|im|that
its|it|thats|that|answer is|be a? no from|for|$
a no from|for me|us
cant|cannot|wont|unable|not able|be|to|in? * take|accept|do|work|participate|join|commit|collaborate|partner|promote part|on|this|it|any|more|your|with|time|together|right|$
not taking|accepting|doing|looking|seeking|open|available * collabs|collaborations|partnerships|collaboration|sponsorship~|sponsored|brands|brand|offers|projects|any|on|new|for|more|$
dont|not|never|no longer do|take|accept|work * sponsored|sponsorship~|ads|collabs|collaborations|paid|partnerships|brands|advertis~|promotions
dont|not want|wish to work|collaborate|participate|partner|take|do|join|promote
dont|not want|wish to be part|involved|included|featured|associated|a|an|on
rather|prefer not
not this time|time around
not for now|me
not right? now|today $
not now|at $
not at the|this moment|time
maybe|perhaps another|some|next time
no can do
stepping|step|taking|take a? back from|break collabs|collaborations|brand|from|sponsored
remove|withdraw|drop|take me|us|my * consideration|application|name
withdraw~ my|our application|interest
dont see * fit|fitting|working
wont be moving|proceeding|going|taking|participating|joining|able
going to say no
have to say no
say no to this|your|the
not keen
not convinced
no desire
count me|us out
sit this one? out
",
    ),
    (
        Language::De,
        "
fur|fuer mich|uns * nichts|nix $
mach~ * nicht mehr
nicht so|ganz|wirklich meins|mein|unseres
nicht meins|unseres|so
zu viel|wenig|beschaftigt|ausgelastet
keine|keinerlei zeit|kapazitat~|kapazitaet~|ressourcen|verwendung * dafur|dafuer|fur|$
^ keine lust
bereits|schon vertraglich|exklusiv|ausgebucht|gebunden|einen|mit|eine
ausgebucht
exklusiv~|vertraglich * gebunden|verpflichtet
reizt mich|uns * nicht|wenig
bin ich raus
nichts|nix fur|fuer
muss|mussen * passen
seh~ * nicht
kein|keinerlei|null|ohne|nicht * interesse
nicht|wenig|kaum|null * interessiert
interessiert mich|uns * nicht|null|kein
^ nein * danke|merci $
^ nein danke|merci
nein danke
danke nein
danke aber nein
lieber|eher nicht $
passt|passen|passe * nicht|nicht zu|zu|fur|fuer|in|so|ganz|wirklich|$
nicht * passend|das richtige|mein ding|mein stil|unser stil
muss|mussen|mochte|moechte|werde|wurde|will|wollen * absagen|ablehnen|passen
sage|sagen|lehne|lehnen * ab
ich|wir * passe|verzichte|verzichten|bin|sind raus|dankend|$
verzichte|verzichten|dankend|verzicht
lehne|lehnen * dankend? ab
dankend ab
bin|sind|bleibe * raus
kommt|kommen|komme * nicht * infrage|frage
nicht * infrage
mach~|nehm~|arbeit~ * keine|derzeit keine? * kooperation~|werbung|zusammenarbeit|partnerschaft~|kooperationen|anfragen|auftrage
keine kooperation~|zusammenarbeit|werbung|partnerschaft~|bezahlt~ * an|mehr|machen|eingehen|annehmen|$
nehme * keine * an
kann|konnen|mochte|moechte|will|wollen|werde|werden * nicht * mitmachen|teilnehmen|zusammenarbeiten|annehmen|dabei|zusagen|kooperieren|bewerben
kann|konnen * leider nicht
nichts fur|fuer mich|uns
nicht|nix mein|unser * ding|fall|thema|stil
momentan|derzeit|aktuell|zurzeit|gerade|jetzt leider nicht|kein~
^ momentan|derzeit|aktuell|zurzeit|jetzt nicht $
leider nein
^ leider nicht $
absage
ist ein nein
nein von mir|uns
",
    ),
    (
        Language::Fr,
        "
nai|navons|ai|avons pas|plus * disponibilite~|temps|dispo~|creneau|place
pas * univers|mon|notre|truc|tasse|style
pas * suite favorable|positive
trop occupee?|prise|pris|chargee?|busy
deja|suis engage~|sous|contrat|exclusiv~
pas le|de temps|disponib~
exclusivite
ne souhaite|souhaitons pas
reponse est|sera negative|non
pas * interesse~
pas|aucun|aucune|sans * dinteret|interet
non merci
merci mais non
ne|ca|cela * minteresse|minteressent|minteresserait|nous interesse * pas|guere
minteresse|interesse|minteressent * pas
ne correspond~|colle|convient|conviendra|rentre|cadre|sinscrit * pas
ne correspond~|correspondent|convient * pas
correspond~|colle|convient|cadre * pas|plus * a|avec|pour|du|vraiment|mon|ma|notre|$
dois|devons|prefere|preferons|vais|allons|souhaite|faut|oblige~|contrainte|choisi * de? decliner|refuser|renoncer|passer
decline|declinons|refuse|refusons * votre|lOffre|loffre|la|linvitation|cette|poliment|proposition|$
je|on|nous passe|passons * mon|notre * tour
passe mon|notre tour
je passe|passerai * cette|pour|$
sans moi|nous $
ce|cest non|sera|nest * pas|non|pour * moi|nous|mon|notre
ce sera non
cest non
ne|fais|prends|accepte|accepterai * pas|plus|aucun|aucune * partenariat~|collaboration~|collab~|sponsoris~|publicite~
plus de partenariat~|collaborations|collabs
pas de partenariat~|collaboration~|collabs|collab $
pas disponible|possible|dispo|mesure * pour|de|en|$
ne peux|pouvons|pourrai|pourrons|souhaite|souhaitons|veux|desire * pas * accepter|participer|collaborer|donner|repondre|travailler|prendre|mengager|poursuivre|suite
pas * donner suite
donnerai|donnerons * pas|suite pas? suite
pas pour le|linstant|moi|nous
pas en ce moment
une autre|prochaine fois $
pas mon|notre truc|style|genre|univers
preferer~|prefere|preferons * ne? pas
malheureusement non
",
    ),
    (
        Language::Es,
        "
me|nos es|resulta|sera|seria imposible|inviable
imposible por|para|de|$
no tengo|tenemos|dispongo * tiempo|disponibilidad|hueco|capacidad
ya tengo|tenemos|colaboro|trabajo|estoy * exclusiv~|contrato|otra|comprometid~|acuerdo|marca
agenda * imposible|llena|completa|no
no * imposible
tengo|debo|que decir|decirte|deciros|decirle que? no
siento * no puedo|podemos
no voy a
prefiero no
declinar
no * interesa|interesan|interesad~|interesaria
sin interes
no tengo|tenemos|hay * interes
no gracias
gracias pero no
no * encaja~|encajan|encajamos|va|cuadra|coincide|ajusta|alinea * con|en|mi|para|conmigo|nuestro|mucho|$
no * encaj~|cuadr~
voy|vamos|prefiero|tengo|tenemos|debo|toca|decidido|he|hemos * a|que|de? * pasar|rechazar|declinar|rehusar|denegar|decir no?
rechazo|declino|rechazamos|declinamos|paso
esta vez paso
yo paso
no puedo|podemos|podre|podria|voy|vamos|quiero|queremos|deseo * aceptar|participar|colaborar|comprometerme|asumir|a|hacerlo|colaboraciones|trabajar|promocionar|sumarme
no acepto|hago|aceptamos|hacemos|estoy|estamos * colaboraciones|publicidad|patrocinio~|promociones|aceptando|haciendo|buscando
no es|seria|parece|creo|sea * lo mio|para|mi|adecuad~|buen|estilo|que|encaje
no es lo mio
no es para mi|nosotros
ahora|actualmente|momento|mismo * no puedo|podemos|me|es|$
ahora no
por ahora no
de momento no
no por|en|de ahora|este|momento
en otra|otro ocasion|momento|sera
otra vez sera
lo siento pero no
es un no
mejor no
no cuenten|cuentes|contad conmigo
me lo? salto
",
    ),
    (
        Language::Pt,
        "
nao * a? aceitar|fazer|procurar parcerias|colaboracoes|publicidade
dizer que? nao
nao tenho|temos * tempo|disponibilidade|agenda|espaco
ja tenho|temos|trabalho|estou|colaboro * exclusiv~|contrato|outra|comprometid~|marca
agenda * cheia|lotada|completa
nao vai|vou|sera|da dar|ser|possivel|conseguir|para|mesmo
nao sera possivel
e impossivel
fico de fora
nao * interesse|interessa|interessad~|interessam|interessaria
sem interesse
nao obrigad~
nao muito? obrigad~
obrigad~ mas nao
nao * combina|encaixa|enquadra|adequa|alinha|condiz|corresponde|bate * com|no|na|ao|meu|muito|$
nao * combina~|encaix~|enquadr~|alinh~
vou|vamos|prefiro|tenho|temos|devo|preciso|terei|decidi * que|de|a|ter? * recusar|declinar|passar|rejeitar|dispensar|negar|abrir
recuso|declino|dispenso|recusamos|passo
desta|dessa vez passo|vou|nao
nao posso|podemos|poderei|vou|vamos|quero|queremos|consigo|da|poderia * aceitar|participar|colaborar|fechar|assumir|topar|fazer|seguir|prosseguir|comprometer~|avancar
nao aceito|faco|aceitamos|fazemos|estou|estamos * parcerias|publis|publicidade|colaboracoes|permutas|patrocinio~|aceitando|fazendo|aceitar|buscando
nao e|seria|acho|faz * para mim|nos|meu|perfil|sentido|estilo|nicho
nao e para mim|nos
nao faz * meu|sentido|parte
agora|momento nao * posso|consigo|da|$
agora nao
por agora|enquanto|ora nao
neste|no momento nao
nao neste|no|por momento|agora|enquanto
fica para|pra a|uma|outra proxima|outra
infelizmente nao
e um? nao
melhor nao
prefiro nao
nao contem|conte|contes comigo
",
    ),
    (
        Language::It,
        "
non fa al|per|a caso|me|noi
impegnat~ con|in|fino|gia|su
gia * impegnat~|contratto|esclusiva|collaboro|accordo
non ho|abbiamo * tempo|spazio|disponibilita|modo
dire|dirvi|dirti di no
devo|purtroppo dire|dirti|dirvi * no
mi|ci e impossibile
agenda piena
non me la sento
in esclusiva
non se ne fa
lascio perdere
non * interessa|interessano|interessat~|interesserebbe|interesse
nessun interesse
senza interesse
no grazie
grazie ma no
grazie no
non e|sarebbe|sembra|mi * in linea|adatt~|per|il|mio|coerente|adatto|cosa
non * in linea
non fa|fanno per me|noi
non * rientra|corrisponde|rispecchia|combacia|adatta|sposa * con|nel|nei|ai|al|mio|mie|nostro|$
devo|dobbiamo|preferisco|vorrei|costrett~|deciso * di|a? rifiutare|declinare|rinunciare|passare
rifiuto|declino|rifiutiamo|decliniamo|rinuncio
stavolta|volta|passo|io passo
io|stavolta|volta|per passo
questa volta no|non|passo
passo $
non posso|possiamo|potro|voglio|vogliamo|intendo|riesco|desidero|me * accettare|partecipare|collaborare|prendere|impegnarmi|aderire|farlo|aderire|sento
non accetto|faccio|accettiamo|facciamo|prendo|sto|stiamo * collaborazioni|sponsorizzazioni|pubblicita|adv|partnership|accettando|cercando|prendendo
adesso|ora|momento no|non * posso|$
adesso no
ora no
per|al|in questo? ora|momento|adesso * no|non
non per|al|in ora|momento|adesso|questo
sara per la|unaltra
magari|forse unaltra|la volta|prossima
purtroppo no
e un no
meglio di no
preferirei|preferisco * di? no|non
non contate|contare|conti su
",
    ),
    (
        Language::Nl,
        "
zie|zien|zit * het|dit|dat? niet zitten|gebeuren|in
niet zitten
te druk|vol
al * contract|exclusief|exclusiviteit|vast|volgeboekt|samenwerking
geen tijd|ruimte|capaciteit|zin|plek
volgeboekt
trekt mij|me|ons * niet
laat dit|deze|het * schieten|voorbij|gaan
moet * nee zeggen|op
zeg * nee
geen|niet|nul|weinig|zonder * interesse|belangstelling
niet|nauwelijks|weinig * geinteresseerd
interesseert mij|me|ons * niet
nee dank|bedankt|dankje|dankjewel|merci
nee hoor|helaas bedankt|niet|$
bedankt maar nee
past|passen|sluit * niet * bij|binnen|aan|in|goed|helemaal|$
niet * passend|geschikt
moet|moeten|wil|willen|ga|gaan|zal|zullen * afwijzen|afslaan|bedanken|weigeren|overslaan|passen|afzeggen
bedank|bedanken * voor|hiervoor|
ik sla|pas|wij slaan|we * over|$
sla * over
wijs * af
niet op|voor in|mij|me|ons
niets|niks voor mij|me|ons
niet mijn|ons ding|stijl|smaak|niche
kan|kunnen|wil|willen|ga|gaan|zal * niet|geen * meedoen|aannemen|samenwerken|accepteren|deelnemen|meewerken|ingaan|samenwerkingen|promoten
ga * niet * op in
doe|neem|ga * geen * samenwerkingen|betaalde|promoties|reclame|samenwerking|collabs|advertenties|opdrachten
geen samenwerking~|collabs|betaalde aan|meer|$
nu|momenteel|voorlopig|moment even|helaas|liever? niet|geen
nu even niet
niet op dit|het moment
voor nu niet
^ helaas niet $
helaas moet|moeten|kan|kunnen * niet|afwijzen|weigeren|afzeggen|bedanken
liever niet
een andere|volgende keer misschien|$
het is|wordt een? nee
reken niet op
ik zie er van|vanaf af
",
    ),
];

/// All that an answer says, greetings apart.
pub(super) const WHOLE_REFUSAL: &[(Language, &str)] = &[
    (
        Language::En,
        "no\nnope\nnah\nno no\nnot interested\nno thanks\nno thank you\nno thx\nno ty\nnot for me\nnot for us\npass\ni pass\nno way\nnever\nabsolutely not\ndefinitely not\nsorry no\nno sorry\nnot really\nim good\nim good thanks\ni am good\nnot now\nhard no\nhard pass\nsorry not interested\nill pass\nno interest\nunfortunately not\nunfortunately no\nafraid not\nim afraid not\nnot today\nnot this time\nno way thanks\ni decline",
    ),
    (
        Language::De,
        "nein\nnee\nne\nno\nnein danke\nnein vielen dank\nkein interesse\nkeine lust\nnicht interessiert\nleider nein\nleider nicht\nauf keinen fall\nlieber nicht\nnein leider nicht\nsorry nein\nniemals\ndanke nein\neher nicht\nkein bedarf\nnein tut mir leid",
    ),
    (
        Language::Fr,
        "non\nnon merci\npas interesse\npas interessee\nsans facon\nsans facon merci\njamais\ndesole non\ndesolee non\nnon desole\nnon desolee\nnon pas du tout\nmerci mais non\nmalheureusement non\npas pour moi\nnon pas interesse\nnon pas interessee\nca ira\nca ira merci\npas du tout",
    ),
    (
        Language::Es,
        "no\nno gracias\nno muchas gracias\nno me interesa\npaso\nyo paso\nni hablar\nnunca\nlo siento no\nno lo siento\ngracias pero no\nno estoy interesada\nno estoy interesado\nahora no\npara nada",
    ),
    (
        Language::Pt,
        "nao\nnao obrigada\nnao obrigado\nnao muito obrigada\nnao muito obrigado\nsem interesse\npasso\ndispenso\nnunca\nnao tenho interesse\nnao quero\ninfelizmente nao\nagora nao\nnem pensar\ndesculpe nao\nnao valeu",
    ),
    (
        Language::It,
        "no\nno grazie\nno grazie mille\nnon mi interessa\nnon interessa\npasso\nmai\nassolutamente no\nno mi dispiace\nmi dispiace no\nnon sono interessata\nnon sono interessato\npurtroppo no\nniente da fare\nanche no",
    ),
    (
        Language::Nl,
        "nee\nneen\nnee bedankt\nnee dank je\nnee dank je wel\nnee dankjewel\nnee dank u\ngeen interesse\nniet geinteresseerd\nliever niet\nnooit\nhelaas niet\nhelaas\nsorry nee\nnee sorry\ngeen belangstelling\nnee hoor\nnee helaas\nnee joh",
    ),
];

/// Wants something all the same, or later.
pub(super) const WILLING: &[(Language, &str)] = &[
    (
        Language::En,
        "^ please|just|better? text|call|whatsapp|dm|ring|phone me|us\n^ please|just|better? use whatsapp|instagram|telegram|signal|my|this|the\nmight|may|could be * interested\nshall|should i|we\nlets\nbut my|a * sister|friend|colleague|brother|partner\nhappy|glad|keen|excited|willing|thrilled|delighted|pleased to\nid|would|we|wed love to|a|one|some|it|that\nis|are|would|be|sounds fine|okay|great|perfect|welcome|cool|lovely|possible|ok|good\nworks|work for me|us\nopen to\n^ im|i|were am? in\ncount me|us in\ninterested in\nlets do|talk|go|start|try|work|chat\nsend me|us|it|them|the|over|details\nsign me|us up\n^ yes|yeah|yep|sure|absolutely|definitely\ni|we can|could|might|may do|post|offer|make|film|send|start|have|take|try|shoot|deliver\nask|contact|email|write|try|reach|ping|check|come me|us|out|to|back|in * again|later|back|next|autumn|spring|summer|winter|fall|january|february|march|april|may|june|july|august|september|october|november|december|month|year\nkeep me|us in|posted\nget back to me\nin the future\nfor future\nfuture collaborations|campaigns|projects\nask|contact|try|reach|check me|us|out|in again|later\nmaybe|perhaps later|next|another|in\nlook~ forward\ni do|still|just|only want|like|love|need|wear|prefer\nwould|can|could|will|shall|do you|it|that|we\nwhat about\nhow about\ninstead\nuse this|the|my * instead|one|address\ngladly\nrather|prefer * gift~|product~|paid|exchange|affiliate|commission\nonly|just do|take|accept|want|the|for|one|this",
    ),
    (
        Language::De,
        "gern\ngerne\nfreue|freuen|freu mich|uns\nbin|sind|ware|waere|waren * dabei|offen|bereit|begeistert|moglich|ok|okay|willkommen\nklingt|klingen|hort * gut|spannend|super|toll|an\n^ ja|klar|natuerlich|naturlich|unbedingt\nmeld~|schreib~|frag~ * wieder|noch|nochmal|spater|spaeter|erneut|herbst|fruhjahr|sommer|winter\nmach~|machen|konnte|koennte|konnen * mir|wir|ich|uns|gern\nist|waere|ware|sind|geht * okay|ok|fein|moglich|in|gut|klar|prima\nspater|spaeter\nstattdessen\nim fruhjahr|herbst|sommer|winter|nachsten|neuen\nschick~ * mir|uns\nlasst uns\nwie ware|waere|siehts\nnur bezahlt~|gegen|mit|produkt~",
    ),
    (
        Language::Fr,
        "avec plaisir\nvolontiers\nravi~|partant~|interessee|interesse|contente|content\nme|nous va|irait|convient|conviendrait|plairait|plait\n^ oui|daccord|parfait|ok\nrecontact~|reviens|revenez|reecri~|relanc~|recontacter\nplus tard\nje suis|serais|peux|pourrais|veux|voudrais * partant~|pour|ouvert~|faire|proposer\nest|serait|sont * bien|parfait|possible|ok|envisageable\npar contre\nplutot\na la rentree\nlannee prochaine\nenvoy~ moi|nous\nen revanche\nouvert~ a|aux\nje veux bien\non peut|pourrait\njaime|jadore|jaimerais|jadorerais",
    ),
    (
        Language::Es,
        "encantad~|encantaria\ncon gusto\nme|nos parece|va|viene|vendria|gustaria|encanta|gusta * bien|perfecto|genial|un|la|el|\n^ si|claro|vale|perfecto\nsi $\nescribe~|escribid~|contacta~|avisa~|pregunta~|habla~|hablamos|vuelve * nuevo|otra|despues|tarde|otono|primavera|verano|invierno|enero\nmas adelante|tarde\nestaria|estoy|seria|podria|puedo|podemos|podriamos * bien|dispuest~|abiert~|perfecto|hacer|posible|ofrecer\nsi me|nos interesa|gusta\nabiert~ a\nen cambio\nmandame|enviame|mandenme|envienme\nprefiero un|el|intercambio|canje\nen otono|primavera|verano|enero|septiembre",
    ),
    (
        Language::Pt,
        "adoraria|adoro|amaria|adorava\ncom prazer|gosto|certeza\ntopo|topamos|aceito\npode|podia|poderia|podemos ser|sim|me|fazer|contar\n^ sim|claro|bora|perfeito|combinado\nsim $\nescrev~|contat~|contact~|procur~|cham~|fal~ * novamente|novo|depois|tarde|outono|primavera|verao|ano|janeiro|novo\nmais tarde|adiante|frente\nestou|sou|seria|estaria * abert~|dispost~|possivel|otimo|legal\nabert~ a\ngostaria|gostava de|\nem vez\nprefiro permuta|uma|troca\nquem sabe\nproximo ano\nno outono|verao|proximo",
    ),
    (
        Language::It,
        "volentieri\ncon piacere\nva|vanno|andrebbe|sarebbe|e bene|benissimo|perfetto|ok|possibile|gradito\n^ si|certo|ok|perfetto|daccordo\nsi $\nriscriv~|ricontatt~|riscrivimi|risentiamoci|sentiamoci|richied~|fatti|scrivimi|contattami\npiu avanti|tardi\nsono|sarei * apert~|dispost~|felice|interessat~ * a|al|alla|agli|di|ad\napert~ a\nmi piacerebbe|piace|andrebbe\npreferisco|preferirei uno|lo|scambio\ninvece\nin autunno|primavera|estate|inverno|futuro\nci sto\npossiamo|potremmo fare|provare\nmandami|mandatemi|inviami",
    ),
    (
        Language::Nl,
        "graag\nmet plezier\nis|zijn|lijkt|zou|vind * prima|goed|ok|oke|leuk|mogelijk|welkom|top\n^ ja|zeker|tuurlijk|natuurlijk|prima\nvraag|mail|schrijf|probeer|benader|contacteer|neem * nog|opnieuw|later|weer|herfst|voorjaar|zomer|winter\nlater\nsta|ben|staan * open|bereid|voor|enthousiast\nsta * voor open\nwel $\nik wil|doe|heb wel\nin plaats\nliever een|ruil|product~\nin de|het herfst|zomer|voorjaar|winter|toekomst|najaar\nlaten we\nstuur mij|me|maar\nik doe mee",
    ),
];
