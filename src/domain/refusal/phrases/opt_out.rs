//! How people ask to be left alone, one pattern a line. What a pattern may hold is told in `pattern.rs`.

use crate::domain::words::Language;

/// Wants no more mail.
pub(super) const OPT_OUT: &[(Language, &str)] = &[
    (
        Language::En,
        "
dont|not|never reach out to? me|us $
dont|not|never reach out * again|anymore|ever
no|not more of these|this|your|them
didnt|not|dont|never * contact|email|write|message|mail|approach to? me|us * future|again|anymore|any|further
stop|cease|quit|end|discontinue * correspondence|communication~|contact|outreach|emails|mails|messages|newsletters|spam
no|any further|more correspondence
scrub|purge|wipe|forget|clear me|us|my|our * info|data|details|address|email|name|information
remove|delete|erase|take|strike my|our|all|any * info|details|data|email|address $
be|get|want|like removed|deleted|unsubscribed|taken from|off|please|$
enough with|of these|this|your|the * emails|mails|messages|spam|$
too many of|emails|mails|messages * remove|stop|off
never|didnt signed|sign up * remove|stop|delete|take
do not|dont have my|our permission|consent
no permission|consent to contact|email|use
fuck|piss|bugger|go off|away
go away
unsubscribe me|us
unsubscribe my|this|our * email|address|account|inbox|mail
^ please|kindly unsubscribe
unsubscribe please|pls|now|immediately
^ unsubscribe $
want|like|wish|need to unsubscribe|opt
remove|delete|erase|drop me|us
remove|delete|take|erase my|our|this * name|email|mail|address|details|contact|info|information|inbox|number * from|off|out
remove|delete|erase|destroy * my|our * data|details|information|record~
take|strike|cross|scratch|knock me|us * off|out|from
get|keep me|us off
stop|quit|cease email~|mailing|writing|contacting|messaging|spamming|bothering|pestering|texting|contact
stop sending me|us|these|this|emails|mails|messages|your
stop * emails|mails|messages|spam|spamming
dont|do|never not? email|contact|bother|message|spam|mail|write|approach to? me|us again|anymore|any|ever|further
dont|never email|contact|bother|message|spam|mail|approach me|us $
do not email|contact|bother|message|spam|mail|approach me|us $
dont|never write to? me|us $
do not write to? me|us $
never email|contact|write|message to? me|us
dont|not send me|us any|more|anything * more|emails|mails|messages|else|newsletters
no more|further emails|mails|email|mail|messages|newsletters|contact|communication~|outreach
dont|not|longer want|wish|care|like to? receive|get|see * email~|mail|mails|messages|newsletter~|communication~|spam|marketing
dont|not want|wish|like|care to hear from you|your|this
not to? be contacted again|any|anymore|further
leave me|us alone
opt me|us out
^ opt me? out
opting out
withdraw my|our consent
right to erasure|be forgotten
object to the? processing|use of
mark~|report~|flag~ * as|for spam
block~ your|this|you address|domain|sender|email $
lose my email|number|address|contact
cease and desist
how do|can i unsubscribe|opt out? $
how do|can i unsubscribe|opt out? from this|these|your|you
how do|can i get off
dont|not|never send me|us? any|your|these|those|such|further|unsolicited|more|other? more? emails|email|mails|mail|messages|newsletters|texts|spam $|anymore|again|please|ever|either|thanks
dont|not|never send me|us? any|your|these|those|more? more? emails|email|mails|mail|messages any more|longer
dont|not|never send * emails|mails|mail|messages at all
dont|not|never send * emails|mails|mail|messages to me|us $|anymore|again|please
dont|not|never send me|us? these|those|this|such things|stuff? anymore
asked|told|begged|warned you|people to? stop|quit $
asked|told|begged you * not to contact|email|write|message|mail
make|making sure|certain * not|never be? contacted|emailed|messaged|mailed
ensure * not|never be? contacted|emailed|messaged|mailed
dont|not|longer|never want|wish|like|care|need|agree to? be contacted|emailed|messaged|mailed|bothered|approached|spammed
dont|not|longer want|wish|like to? be on your|this|the|any * list|database
prefer|rather|wish|like not to? be contacted|emailed|messaged|mailed|bothered|approached
prefer|rather|wish|like not to? receive|get|see|have * email~|mail|mails|message~|newsletter~
dont|not|never|longer want|need your|these|those|any|such|more|further more? emails|mails|messages|newsletters $|anymore|please|thanks
refrain|desist|abstain from contacting|emailing|writing|messaging|sending|mailing|further
want|like|wish|asked to be left alone
longer want|wish|like|care to hear from you|your|this
want|need off|out of? this|your|the * list|emails|mails
dont|not|never contact|message|write to? me|us via|by|per email|mail
",
    ),
    (
        Language::De,
        "
wunsche|wuensche|wunschen|wuenschen|verbitte|will|mochte|moechte|wollen * keine|keinen|keinerlei weitere|weiteren|mehr|kontakt|mails|emails|werbung|nachrichten|kontaktaufnahme
keine|keinen|keinerlei weitere|weiteren|weiterer|mehr * kontakt|kontaktaufnahme|zusendungen|anfragen|mails|werbung|korrespondenz
verbitte mir
tragt|tragen|trag|nehmt|nehmen mich|uns|sie aus|raus
adresse|daten|mailadresse|kontaktdaten|diese|sie * umgehend|sofort|bitte * zu? losch~|loesch~
fordere|verlange|bitte|ersuche * losch~|loesch~ $
fordere|verlange|ersuche * zu? losch~|loesch~|loschen|loeschung|loschung
lass|lasst|lassen|unterlass~ * das|es|die|sie bitte? mit|bitte|mails|emails|nachrichten|sein
hor|hort|horen|schluss|genug * mit|von * mails|emails|nachrichten|werbung
nie|niemals|nicht zugestimmt|eingewilligt|angemeldet
mich|uns|adresse|mailadresse|emailadresse|email|mail|namen|daten|kontakt * aus|von * ~verteiler|~liste|datenbank|kartei|~system|newsletter|~listen|~datei
nehm~|nimm|streich~|trag~|losch~|loesch~|entfern~|werf~ mich|uns|sie mich? * aus|von|raus|heraus
streich~|entfern~|losch~|loesch~ mich|uns
trag~ mich|uns * aus
nehm~|nimm mich|uns * raus|heraus
mich|uns * abmelden|austragen|abzumelden|auszutragen
mochte|moechte|will|wollen mich|uns|den|vom|ihren|euren * abmelden|abbestellen
bestell~ * newsletter|~mails * ab
losch~|loesch~ * meine|unsere|alle * ~daten|adresse|~adresse|kontakt~
loschung|loeschung meiner|unserer|aller * ~daten
meine|unsere * ~daten|adresse|~adresse * losch~|loesch~|zu
keine|keinerlei weiteren|weitere|mehr|werbe~ mails|mail|emails|email|nachrichten|anfragen|werbung|newsletter|zuschriften
keine mails|emails|nachrichten|werbung|newsletter|post|anfragen * mehr|bekommen|erhalten
keine mails|emails|nachrichten|werbung|newsletter von|dieser
schreib~|kontaktier~|anschreib~|mail~|belastig~|belaestig~ * mich|mir|uns * nicht|nie mehr|wieder|weiter|langer
mir|mich|uns nicht|nie mehr|wieder|weiter|langer * schreiben|kontaktieren|anschreiben|anzuschreiben|mailen|belastigen
hort|horen|hoert|hoeren|hor|hoer * auf * zu? schreiben|mailen|nerven|kontaktieren|anzuschreiben|~spammen|schicken
hort|horen|hor * auf mir|mich|uns
unterlass~ * mails|emails|werbung|kontaktaufnahme|zusendung~|anschreiben|zuschriften
nicht|kein~ mehr|weiter|langer * kontaktiert|angeschrieben|angemailt|belastigt werden
widersprech~|widerspruch * verarbeitung|nutzung|verwendung|speicherung|daten~|werbung
widersprech~ * ich * verarbeitung|nutzung|verwendung|speicherung|werbung
einwilligung * widerruf~
widerruf~ * einwilligung
art|artikel 21|17 dsgvo
nach|gemass|gemaess|laut|gem dsgvo * losch~|widersp~
wie kann|konnen|komme ich|wir mich|uns|von|aus
verschont|verschone|verschonen mich|uns|sie
meld~ sie|ich|wir|bitte? mich|uns bitte|hiermit? ab $|bitte|danke|sofort|umgehend|und
meld~ sie|ich|wir? mich|uns bitte? von|vom|aus * ab $|bitte|danke
bitte * nicht|nie mehr|weiter|wieder|langer kontaktieren|anschreiben|schreiben|anmailen|mailen|belastigen $|bitte|danke
^ nicht|nie mehr|weiter|wieder kontaktieren|anschreiben|schreiben|anmailen|mailen $|bitte|danke
will|mochte|moechte|wollen|wunsche|mochten nicht * kontaktiert|angeschrieben|angemailt|belastigt $|werden
schick~|send~|mail~ sie? mir|uns bitte|doch? nichts|nix mehr $|bitte|danke
schick~|send~ sie? mir|uns bitte|doch|ab|jetzt? keine|keinerlei mehr? mails|emails|mail|email|nachrichten|newsletter|werbung $|mehr|bitte|danke
seh~ sie? bitte? von weiter~|jeder|jeglicher * mails|emails|nachrichten|kontakt~|anfragen|zuschriften ab
gebeten|gesagt * aufzuhoren|aufzuhoeren|aufhoren|aufhort|aufhoert $
kontaktier~|schreib~|mail~ sie? mich|mir|uns bitte|doch? nicht|nie $|bitte
schreib~ sie? mich|uns bitte? nicht|nie mehr? an $
lass~ sie? mich bitte|doch|endlich|einfach|jetzt? in? ruhe|frieden $|bitte|danke|und|jetzt|mit
lass~ sie? uns bitte|doch|endlich|einfach? in? ruhe|frieden $|bitte|danke
",
    ),
    (
        Language::Fr,
        "
ne plus|jamais * madresser|menvoyer|mecrire|me|adresser * courriels|mails|messages|emails|sollicitations|rien
plus madresser|menvoyer|mecrire
sortez|sors|sortir|otez|otes|rayez|enlevez moi|nous
me sortir|sortiez|retirer de|du
stop|fini|assez|marre * pub|publicite~|mails|spam|emails|messages|courriels|sollicitations
stop pub
ne plus etre sur|dans|inscrit~|demarche~|sollicite~
navez|nai|nayant pas|jamais * consentement|autorise|inscrit~|accord|donne
cess~|arret~ * sollicitations|envois|prospection|demarchage|correspondance
retir~|enlev~|supprim~|ot~|ray~|efface~|effac~ moi|nous|mon|notre|mes|nos adresse|mail|email|nom|coordonnees|contact|donnees|infos * de|du|des
retir~|enlev~|supprim~|ray~|effac~|efface~ moi|nous
me|nous|moi retirer|enlever|supprimer|rayer|effacer|oter|desinscrire|desabonner|desinscrivez|retirez|desabonnez|enlever|sortir
supprim~|effac~|efface~|suppression|effacement * mes|mon|nos|notre|mes * donnees|adresse|coordonnees|infos|informations
desinscri~|desabonn~ moi|nous|svp|sil|merci
desinscription|desabonnement $
me|nous desinscri~|desabonn~
ne|veux|souhaite|desire plus * recevoir|recois|recevoir * vos|de|ces|aucun|tes|votre|rien
plus * recevoir * mails|emails|messages|courriels|newsletters?|courriers|publicite~|rien
ne pas etre recontacte~
ne plus etre contacte~|recontacte~|sollicite~|derange~
ne mecrivez|mecris|mecrire|mecrit plus|jamais
ne me|nous contact~|recontact~|envoy~|sollicit~|derang~|relanc~ plus|jamais
ne plus me|nous|menvoyer|mecrire contact~|recontact~|envoy~|ecrire|sollicit~|derang~|relancer|
ne plus menvoyer|mecrire
arret~|cess~|stop~ * de * mecrire|menvoyer|contacter|spammer|harceler|relancer|solliciter|deranger|ecrire|envoyer
arret~|cess~ vos|tes|ces|les * mails|emails|messages|envois|relances
plus de|aucun mails|emails|messages|courriels|mail|newsletter|relances $
plus de mails|emails|messages|courriels|newsletter svp|sil|merci
laiss~ moi|nous tranquille|tranquilles|en
moppose|oppose|opposition * traitement|utilisation
droit a|de leffacement|loubli|dopposition|suppression
retire mon consentement
signal~ * comme|pour spam|indesirable
comment * me desinscrire|desabonner $
ne veux|veut|souhaite|souhaitons|desire|voulons plus|pas etre contacte~|recontacte~|sollicite~|derange~|demarche~|relance~
cess~|arret~ tout|toute|tous|toutes contact|contacts|envoi|envois|message|messages|demarchage|sollicitation~|communication~|relance~
ne pas|jamais me|nous contacter|recontacter|solliciter|relancer|deranger $|svp|merci
ne pas|jamais mecrire $|svp|merci
ne menvoyez|menvoie|menvoyer plus|pas|jamais de|vos|des|aucun|tes? mails|emails|messages|courriels|mail|email|newsletters|newsletter|sollicitations|pub|publicites $|svp|merci|sil
ne menvoyez|menvoie plus|jamais rien
ne pas|plus menvoyer de|vos|des? mails|emails|messages|courriels
fich~|fous|foutez moi|nous la paix
demande|dit|pries darreter|darretez $
demande|dit de cesser|arreter|stopper $
ne souhaite|souhaitons|veux|desire pas|plus recevoir vos|de|des|ces|aucun|tes|ce * mails|emails|messages|courriels|newsletter~|sollicitations|mail|publicite~
",
    ),
    (
        Language::Es,
        "
que me|nos saquen|saque|borren|borre|eliminen|elimine|quiten|quite|retiren
no me|nos contact~|escrib~|mand~|envi~ * nunca|jamas
borrenme|borreme|borrame|quitenme|saquenme|sacadme|bajenme
basta de|ya * correos|mails|mensajes|emails|spam|publicidad
ya basta * correos|mails|mensajes|emails|spam
no|nunca autorizo|autorice|di|doy * uso|datos|consentimiento|permiso
no me suscribi|apunte
no|ni vuelvan|vuelva|vuelvas|volvais a escribirme|contactarme|molestarme
cesen|cese|detengan|paren * correos|mensajes|envios|comunicaciones|emails
dejadme|dejenme|dejame|dejeme en|tranquil~
no quiero|deseo saber|tener * nada|contacto
ni un correo|mail|mensaje mas
elimin~|borr~|quit~|sac~|retir~|suprim~ me|nos|mi|mis|nuestros|nuestra * correo|datos|direccion|nombre|contacto|email * de|
eliminen~|elimine~|eliminame|borrame|borrenme|borreme|quitame|quitenme|quiteme|sacame|saquenme|saqueme|retirenme|retireme|suprimanme|eliminadme|borradme|quitadme|sacadme
elimin~|borr~|suprim~ * mis|nuestros|mi * datos|correo|direccion|informacion|email
me|nos elimin~|borr~|quit~|saqu~|retir~|des|den|de * lista|baja|base|boletin
darme|darnos|denme|deme|dame|dadme|dennos de baja
dar de baja mi|nuestra|este correo|direccion|email|suscripcion
solicito|quiero|pido|deseo|quisiera la|mi baja
no quiero|deseo|queremos|quisiera * recibir mas? * correo~|mails?|mensajes|emails|email|mail|publicidad|boletin~|nada|newsletter~|informacion
no quiero|deseo * mas correos|mails|mensajes|emails|publicidad
ya no quiero|deseo * recibir
no quiero|deseo que me|nos * contact~|escrib~|envi~|mand~
no mas correos|mails|mensajes|emails|publicidad
dej~|para|paren|pare|parad|ces~ * de escribirme|enviarme|mandarme|contactarme|molestarme|escribir|enviar|mandar|molestar|escribirnos|enviarnos|contactar|contactarnos|spamear
no me|nos escrib~|contact~|envi~|mand~|molest~|vuelv~ * mas|nunca|nada
no me|nos vuelv~ * a escribir|contactar|enviar|molestar|mandar
no vuelv~ a escribirme|contactarme|molestarme|enviarme|mandarme|escribirnos|contactarnos
dejenme|dejame|dejadme|dejeme * en paz|tranquil~
supresion|eliminacion|cancelacion|borrado de mis|nuestros * datos
me opongo al|a tratamiento|que
derecho de|al supresion|oposicion|olvido|cancelacion
retiro|revoco mi consentimiento
desuscrib~ me|por|
desuscribirme|desuscribanme|desuscribeme|desapuntarme|desapuntadme
marc~|denunci~|reportar~ * como|por spam
como * me doy|darme de? baja $
cancel~|anul~ mi|nuestra|la|esta suscripcion
no me|nos contacten|contacte|contactes|contacteis|escriban|escriba|escribas|escribais|molesten|moleste|molestes $|mas|nunca|jamas
no me|nos contacten|contacte|contactes|contacteis|escriban|escriba|escribas|molesten por favor
no me|nos envien|envie|envies|manden|mande|mandes|enviar|mandar mas? correos|mails|emails|mensajes|publicidad|spam|newsletters|nada $|mas|nunca
no quiero|deseo|queremos|deseamos|quisiera|deseamos ser contactad~|molestad~
quiero|deseo|quisiera|queremos salir|salirme|borrarme|desapuntarme de la|su|esta|vuestra|tu lista|base|newsletter|boletin
pedi|dije|solicite que paren|pararan|parasen|pares|pararas|cesen|cesaran|dejen|dejaran $|de
dije|pedi|dicho|pedido|ruego|pido que no me|nos escrib~|contact~|molest~
no enviar|mandar|envien|manden mas correos|mails|emails|mensajes|publicidad
",
    ),
    (
        Language::Pt,
        "
apag~|elimin~|remov~|retir~|exclu~ o|a|os? meu|minha|meus|nosso contacto|contato|numero|email|endereco|registo|dados
tir~|retir~|remov~|apag~|elimin~|exclu~ o|os|a|as|todos meu|meus|minha|nosso * base|lista|dados|sistema|registos|cadastro|email
nao|nunca autorizo|autorizei|dei|consenti|consinto * uso|dados|consentimento|contato|contacto
nao|nunca me inscrevi|cadastrei|registei
parem|pare|chega|basta|acabem com|de * isto|isso|emails|mails|mensagens|spam|contatos
deixem|deixe|para|parem|pare de * chatear|incomodar|enviar|mandar|escrever|contactar|contatar
nao quero|desejo|pretendo * contato|contacto|contactos|comunicacao|comunicacoes
remov~|retir~|exclu~|tir~|apag~|elimin~ me|nos|meu|meus|minha * email|emails|dados|endereco|nome|contato|contacto * da|do|de|das|dos
remov~|retir~|tir~|exclu~ me|nos
me|nos remov~|retir~|tir~|exclu~|descadastr~ * da|do|de|desta|dessa|por|
tirem me|nos|
remov~|exclu~|apag~|elimin~ * os? meus|meu|minhas|nossos * dados|email|cadastro|endereco|informacoes|contato
exclusao|remocao|eliminacao|apagamento * dos|de meus|nossos|minhas|todos * dados|informacoes
nao quero|desejo|queremos|gostaria|pretendo mais? * receber * emails|email|mensagens|nada|mails|correio|newsletters|comunicac~|propagandas|publicidade
nao quero|desejo|queremos|pretendo mais * receber|emails|mensagens|ser|contato|contacto
nao quero|desejo|pretendo ser|voltar * contat~|contact~|incomodad~
par~|deix~|cess~ * de * me? mandar|enviar|escrever|contatar|contactar|incomodar|mandarem|enviarem|escreverem|enviarme|contactarme
parem|pare|para com os|esses|estes|as emails|mensagens|spam|mails
nao me|nos * contat~|contact~|escrev~|envi~|mand~|incomod~|chat~ * mais|novamente|nunca
nao voltem|volte|voltes a * contat~|contact~|escrever|enviar|incomodar|me
nao envi~|mand~ mais * emails|mensagens|nada|mails|email
chega|basta de emails|mensagens|mails|spam
me deix~|deix~ me? em paz
nao mais emails|mensagens|contato
direito ao|a|de esquecimento|oposicao|apagamento|exclusao|eliminacao
oponho me|ao ao? tratamento|uso
retiro|revogo * meu consentimento
cancel~ * minha|a inscricao|subscricao|assinatura
anular * subscricao
descadastr~ me|meu|por|este
marc~|denunci~|report~ * como|por spam
como * me descadastr~|desinscrev~ $
nao entre|entrem|entrar|entres mais em contato|contacto
nao entre|entrem|entrar|entres em contato|contacto $|mais|novamente|comigo|conosco|connosco|por
deix~ me|nos em paz
quero|desejo|gostaria|queria|preciso de? sair da|desta|dessa|do lista|grupo|mailing|newsletter
nao me|nos envie|enviem|envies|mande|mandem|mandes|enviar|mandar mais? emails|mails|mensagens|email|nada|spam|publicidade $|mais|por|nunca
pedi|disse|falei|pedimos para|pra|que parar|pararem|parem|parassem|parares|pare $|de
nao quero|desejo|queremos ser contat~|contact~|incomodad~|abordad~
",
    ),
    (
        Language::It,
        "
toglietemi|toglimi|levatemi|levami|cancellatemi|rimuovetemi|eliminatemi|tiratemi|toglieteci
mi tolga|tolgano|levi|levino|tiri
mai|non * scrivermi|scrivetemi|contattatemi|scriva|contatti|scriverci * mai|piu
basta|smettila|smettetela|fermatevi|finitela con|di|le|mail|email|messaggi|spam
non ho mai|dato|autorizzato|fornito|richiesto * consenso|uso|dati|mail|iscritt~|contatto
non mi sono mai? iscritt~
non desidero|voglio|intendo * contattat~|comunicazioni|contatti|disturbat~|mail|email
cancell~|rimuov~|rimuover~|togli~|elimin~|depenn~ * mi|ci|il|la|mio|mia|miei|questo|nostro * indirizzo|nome|contatto|email|mail|dati|nominativo * dal|dalla|dai|da|dalle
cancellarmi|cancellami|cancellatemi|rimuovermi|rimuovetemi|rimuovimi|toglietemi|toglimi|togliermi|eliminatemi|eliminami|eliminarmi|depennatemi|disiscrivetemi|disiscrivimi|disiscrivermi|cancellarci|rimuoveteci|rimuoverci
mi cancelli|rimuova|tolga|elimini|cancellino|rimuovano|tolgano|disiscriva
cancell~|elimin~|rimuov~|rimozione|eliminazione|cancellazione * dei|i|tutti|miei|mie|nostri * dati|informazioni
non voglio|desidero|vorrei|vogliamo|intendo piu * ricevere|sentir~|avere|essere
non voglio|desidero|vorrei|vogliamo * ricevere piu|altre|vostre|le|nessun~ * mail|email|messaggi|comunicazioni|newsletter|pubblicita
non voglio|desidero * ricevere * mail|email|messaggi|newsletter
smett~|smetti|basta|piant~|finit~|evit~ * di * scrivermi|mandarmi|inviarmi|contattarmi|disturbarmi|spammare|scriverci|mandare|inviare|contattarci
basta email|mail|messaggi|spam|con
non contattat~|contattar~|scrivet~|scriver~|scrivermi|mandat~|inviat~|mandar~|disturbat~|cercat~|contattatemi|contattarmi|scrivetemi|contattarci * piu|mai|altro|oltre
non mi contatt~|scriv~|mand~|invi~|disturb~|cercate piu|mai
non * essere piu * contattat~|disturbat~
niente piu mail|email|messaggi
lasciatemi|lasciami|lasciateci in|stare pace|
mi oppongo al trattamento
diritto alla|all|alloblio|di cancellazione|opposizione|oblio
revoco|ritiro * il? * consenso
segnal~ * come spam
come * mi cancello|disiscrivo $
voglio|vorrei|desidero disiscrivermi|cancellarmi
non contattatemi|contattarmi|contattateci|contattarci|scrivetemi|scrivermi|scriveteci|disturbatemi|disturbarmi|cercatemi $|mai
non mandatemi|inviatemi|mandarmi|inviarmi|mandateci|inviateci|spedirmi piu? mail|email|messaggi|newsletter|nulla|niente|pubblicita $|piu|mai
chiesto|detto di smettere|smetterla|fermarvi|finirla|fermarti $
chiesto|detto di non scriver~|contatt~|disturb~
voglio|vorrei|desidero|vogliamo uscire|essere dalla|da|tolt~|rimoss~|cancellat~ * lista|mailing|newsletter|elenco|database
annull~|cancell~|disdic~|disdett~ la? mia|nostra|questa iscrizione|registrazione
",
    ),
    (
        Language::Nl,
        "
wens|wil|wensen|willen * niet|geen|nooit langer|meer|verdere|nog * benaderd|gemaild|contact|gecontacteerd|aangeschreven|mails|berichten|post
niet langer|meer * benaderd|gemaild|gecontacteerd|aangeschreven|lastiggevallen worden|te|wil
geen verdere|toekomstige|ongevraagde mails|berichten|correspondentie|contact|benadering|mailings
genoeg|klaar|basta met|van * mails|berichten|spam|mailtjes
nooit|niet * toestemming|ingeschreven|aangemeld|gegeven
gooi|knikker mij|me|ons * uit|van
ophouden|opgehouden|stoppen|stop * mails|mailtjes|berichten|spam|sturen|mailen
verwijder~|haal|halen|schrap~|wis|wissen mij|me|ons|mijn|onze * van|uit|
mij|me|ons|mijn|onze * van|uit * lijst~|~lijst|bestand|~bestand|database|systeem|nieuwsbrief|lijsten
verwijderen|verwijder|schrappen|halen uit|van * lijst|~lijst|bestand|~bestand|database|systeem
schrijf mij|me|ons uit
meld mij|me|ons af
mij|me|ons * afmelden|uitschrijven|verwijderen|uitschrijf
wil|willen|wens|graag * afmelden|uitschrijven
gegevens * te? wissen|verwijderen|verwijderd|gewist
verwijder~|wis~ * mijn|onze|al * gegevens|adres|~adres|data
geen mails|emails|mail|email|berichten|nieuwsbrieven|reclame|post|spam meer|ontvangen|krijgen|van
geen verdere|andere mails|emails|berichten|mail|contact
wil|willen|wens|wensen * niet|geen * mails|emails|berichten|nieuwsbrieven * ontvangen|krijgen|meer
stop met|a.u.b.|aub mij|me|ons|mailen|emailen|sturen|schrijven|spammen|deze|mails|berichten
stop met * mailen|emailen|sturen|schrijven|contacteren|benaderen|spammen|lastigvallen
hou|houd~|kap op|ermee met|mee * mailen|sturen|schrijven|spammen|lastigvallen|mij|me
neem|neemt|nemen * geen contact meer|op
mail|schrijf|benader|contacteer|stuur|bel|app mij|me|ons * niet|nooit|niets|geen meer|mails
niet meer * benaderd|gemaild|gecontacteerd|lastiggevallen|gecontacteerd
niet|nooit meer mailen|schrijven|benaderen|contacteren|sturen
laat mij|me|ons met|toch * rust
maak * bezwaar tegen * verwerking|gebruik
trek mijn toestemming in
recht op vergetelheid|verwijdering|bezwaar|gegevenswissing
markeer~|meld~ * als spam
hoe kan|meld ik mij|me * afmelden|uitschrijven|af|uit $
stuur|zend|mail|stuurt|schrijf|app mij|me|ons aub|alsjeblieft|alstublieft? niks|niets meer
wil|wens|willen|wensen|wenst niet|nooit meer|langer? gecontacteerd|benaderd|gemaild|aangeschreven|lastiggevallen worden
wil|willen|wens|wensen|hoef|hoeven niets|niks meer * horen|ontvangen|krijgen
niet|nooit meer mailen|contacteren|schrijven|benaderen|sturen graag
gevraagd|gezegd|verzocht om? te? stoppen|ophouden $
gevraagd|gezegd|verzocht om? mij|me|ons niet meer? te mailen|contacteren|schrijven|benaderen
wil|willen van deze|die|jullie|de|uw|je * lijst|~lijst af
mail|schrijf|benader|contacteer mij|me|ons niet|nooit $|aub|alstublieft|alsjeblieft
neem|neemt|nemen aub? geen contact met mij|me|ons op
gelieve mij|me|ons niet|nooit meer? te contacteren|mailen|benaderen|schrijven|storen
stuur|zend aub? geen mails|mail|emails|email|berichten $|meer
",
    ),
];

/// Speaks of it, and whom it is about can't be told.
pub(super) const MENTION: &[(Language, &str)] = &[
    (
        Language::En,
        "^ please|kindly? cancel please|pls? $\nstop|enough|cease|no|dont|too * more|further|many|these|your * emails|mails|messages|newsletters|correspondence\ndont|wont|not|never * unpaid|free\nremove|delete|take|removed|deleted * list|database|system|records\n^ forget|lose * my|me|us|it\nmight|may|could|would be * interested\nnot|isnt|wasnt consent|permission|allowed\nunsubscrib~\nopt out\nopted out\nopting out\nmailing list\nstop * emails\nremove|delete my|her|his|their|our * address|email|name|contact\nno longer * emails",
    ),
    (
        Language::De,
        "genug|schluss|aufhoren|unerwunscht~ * mails|emails|nachrichten|werbung|kontakt~|newsletter\nohne honorar|bezahlung|budget|vergutung|gage * nicht|nix|nichts|kein~\nnicht|nix|nichts umsonst|kostenlos|gratis\nlosch~|loesch~ * daten|adresse|mail\nunaufgefordert~\ndatenschutz~\nabmahn~\nanwalt\nabmelden\nabbestell~\nabgemeldet\naustragen\nausgetragen\n~verteiler\nvom newsletter",
    ),
    (
        Language::Fr,
        "plus|stop|assez|marre * mails|emails|courriels|messages|newsletter|sollicitations|spam\npas|jamais gratuitement|gratuit|benevolement\nsans remuneration|budget|cachet\ndonnees personnelles\nrgpd\ncnil\ndesinscri~\ndesabonn~\nliste de diffusion",
    ),
    (
        Language::Es,
        "no|basta|ya * mas * correos|mails|mensajes|emails|spam\ngratis no\nno * gratis\nsin presupuesto|pago|remuneracion|cobrar\ndatos personales\nrgpd\nlopd\nde baja\ndesuscri~\ndesapunt~\nlista de correo\nlista de distribucion",
    ),
    (
        Language::Pt,
        "nao|basta|chega|parem * mais * emails|mails|mensagens|spam\nnao * graca|gratis|gratuitamente\nsem orcamento|cache|pagamento|remuneracao\ndados pessoais\nlgpd\nrgpd\ndescadastr~\ndesinscrev~\ncancelar a subscricao\nanular a subscricao\nlista de emails",
    ),
    (
        Language::It,
        "non|basta|niente|stop * piu|altre * mail|email|messaggi|spam\nnon * gratis|gratuitamente\nsenza compenso|budget|pagamento\ndati personali\ngdpr\ngarante\ndisiscri~\ncancell~ * newsletter|lista\nmailing list",
    ),
    (
        Language::Nl,
        "genoeg|stop|teveel * mails|emails|berichten|mailtjes|spam\nniet|nooit * gratis|niets|onbetaald\nzonder vergoeding|budget|betaling\npersoonsgegevens\navg\nafmeld~\nafgemeld\nuitschrijv~\nuitgeschreven\nmailinglijst",
    ),
];

/// All that an answer says, greetings apart.
pub(super) const WHOLE_OPT_OUT: &[(Language, &str)] = &[
    (
        Language::En,
        "unsubscribe pls\nstop spam\nstop spamming\ngo away\nremove now\nno more emails\nstop\nstop it\nstop please\nplease stop\nstop this\nstop now\nstop stop\nstop all\nunsubscribe\nunsubscribed\nplease unsubscribe\nremove\nplease remove\nremove please\nopt out\noptout\nplease opt out\nremove me\nplease remove me\ntake me off\nunsub\nunsubscribe please\nno more\nno more please\nquit\ndelete me\nstop emails\nenough",
    ),
    (
        Language::De,
        "keine mails mehr\nkeine werbung\nkeine weiteren mails\nloschen bitte\nabmelden\nbitte abmelden\nabbestellen\nbitte abbestellen\nabmeldung\naustragen\nbitte austragen\nbitte entfernen\nentfernen\nbitte loschen\nloschen\nbitte loeschen\nloeschen\nstopp\nbitte stoppen\nschluss\naufhoren\nbitte aufhoren\nbitte streichen",
    ),
    (
        Language::Fr,
        "stop pub\nstop spam\nplus de mails\ndesinscription\ndesinscrire\nse desinscrire\ndesabonnement\ndesabonner\nme desinscrire\nme desabonner\nse desabonner\narretez\narrete\narretez svp\nsupprimer\nca suffit\nstop svp\nstop merci\nretirez moi",
    ),
    (
        Language::Es,
        "ya basta\nno mas correos\nalto\nbaja\nbaja por favor\ndar de baja\ndarme de baja\nde baja\ncancelar suscripcion\ndesuscribir\ndesuscribirse\neliminar\nbasta\nbasta ya\nparen\npara ya\nbasta por favor",
    ),
    (
        Language::Pt,
        "parem com isto\nparem com isso\nchega disto\ndescadastrar\ndescadastro\nremover\nme remova\nremovam\nsair da lista\nsair\ncancelar inscricao\ncancelar subscricao\nanular subscricao\nparem\npare\nchega\nbasta\nremover por favor\ndescadastrem",
    ),
    (
        Language::It,
        "niente mail\nstop mail\nbasta mail\ncancellami\ncancellatemi\ncancellazione\ndisiscrivimi\ndisiscrizione\ndisiscrivetemi\nrimuovimi\nrimuovetemi\nbasta\nbasta cosi\nsmettetela\ndisiscriviti\ncancella iscrizione",
    ),
    (
        Language::Nl,
        "geen mails meer\nniet meer mailen\nstop met mailen\nafmelden\ngraag afmelden\nuitschrijven\ngraag uitschrijven\nverwijderen\ngraag verwijderen\nverwijder\nstoppen\nstop aub\nstop hiermee\nhou op\nhoud op\nafmelding\nafmelden aub\ngenoeg",
    ),
];

/// Asks or tells where we have somebody from. With [`AWAY`] in another sentence it wants no more mail.
pub(super) const WHENCE: &[(Language, &str)] = &[
    (
        Language::En,
        "how|where did|do|have|you you? get|got|find|found|obtain|have * my|our|this email|emails|mail|address|contact|number|details|name\ndidnt|not|never ask|asked|sign|signed|subscribe|subscribed|request|requested * emails|mails|messages|newsletter",
    ),
    (
        Language::De,
        "woher|wie haben|habt|hast|kommen|kommt|kommst * meine|meinen|diese|unsere adresse|mail|email|mailadresse|emailadresse|daten|kontakt|kontaktdaten|namen",
    ),
    (
        Language::Fr,
        "ou|dou|comment avez|as|tenez|tiens * mon|mes|cette|nos|notre adresse|mail|email|contact|coordonnees|numero|nom",
    ),
    (
        Language::Es,
        "donde|como sacaron|saco|sacaste|sacasteis|obtuvieron|obtuvo|consiguieron|conseguiste|consiguio|tienen|tiene|tienes|encontraron|habeis|han|has * mi|mis|este|nuestro correo|mail|email|direccion|contacto|datos|numero",
    ),
    (
        Language::Pt,
        "onde|como conseguiram|conseguiu|obtiveram|obteve|arranjaram|encontraram|tem|tiraram|pegaram * meu|meus|este|esse|nosso email|mail|endereco|contato|contacto|dados|numero",
    ),
    (
        Language::It,
        "dove|come avete|hai|ha * mia|mio|miei|questo|questa|nostro mail|email|indirizzo|contatto|dati|numero|nome",
    ),
    (
        Language::Nl,
        "hoe|waar kom|komen|komt|heb|hebben|haal|halen * mijn|ons|onze|dit adres|mail|email|mailadres|emailadres|gegevens|nummer",
    ),
];

/// Wants something gone, and does not say what.
pub(super) const AWAY: &[(Language, &str)] = &[
    (
        Language::En,
        "^ so|and? please|kindly|just|now? delete|remove|erase it|this|them|that|me|everything? please|now|immediately? $\n^ so|and? please|kindly|just stop this|it|that? now|please? $",
    ),
    (
        Language::De,
        "^ bitte? losch~|loesch~|entfern~ sie? diese|die|sie|es|alles|das|bitte|sofort|umgehend? $\n^ bitte? aufhoren|lassen|sein $\n^ bitte? lass~ sie? das|es bitte? $",
    ),
    (
        Language::Fr,
        "^ merci|veuillez|svp? de|la|le|les? supprim~|effac~|retir~|enlev~ la|le|les|tout|svp|merci? $\n^ merci? arretez|arrete|darreter svp|merci? $",
    ),
    (Language::Es, "^ por? favor? borr~|elimin~|quit~|suprim~ por? favor? $\n^ por? favor? paren|pare|para|basta $"),
    (
        Language::Pt,
        "^ por? favor? apag~|remov~|exclu~|elimin~|retir~ o|os|isso|me|por? favor? $\n^ por? favor? parem|pare|chega $",
    ),
    (Language::It, "^ per? favore? cancell~|elimin~|rimuov~|toglie~|togli~ subito? $\n^ per? favore? smett~|basta $"),
    (
        Language::Nl,
        "^ graag|gelieve? verwijder|verwijderen|wis|haal|wissen het|dit|deze|die|alles? weg? aub? $\n^ graag|gelieve? stop|stoppen aub|daarmee? $",
    ),
];
