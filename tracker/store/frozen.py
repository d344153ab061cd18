"""SQL of migrations as it was on its day, which no later change of the code may alter."""

# ruff: noqa: E501

SEARCHED_ARTICLES_2 = """create view searched_articles as
select a.pmid, a.title, a.abstract, a.keywords_text, a.mesh_text, a.authors_text,
  coalesce((select group_concat(word, '') from (select distinct 'x' || hex(x.label_group || '=' || x.value) || 'x ' as word from labels x where x.pmid = a.pmid and 1 order by 1)), '') ||
    iif(substr(a.languages, 1, 3) glob '[a-z][a-z][a-z]', 'x' || hex('language' || '=' || substr(a.languages, 1, 3)) || 'x ', '') ||
    iif(substr(a.languages, 5, 3) glob '[a-z][a-z][a-z]', 'x' || hex('language' || '=' || substr(a.languages, 5, 3)) || 'x ', '') ||
    iif(substr(a.languages, 9, 3) glob '[a-z][a-z][a-z]', 'x' || hex('language' || '=' || substr(a.languages, 9, 3)) || 'x ', '') ||
    iif(substr(a.languages, 13, 3) glob '[a-z][a-z][a-z]', 'x' || hex('language' || '=' || substr(a.languages, 13, 3)) || 'x ', '') ||
    iif(substr(a.languages, 17, 3) glob '[a-z][a-z][a-z]', 'x' || hex('language' || '=' || substr(a.languages, 17, 3)) || 'x ', '') ||
    iif(substr(a.languages, 21, 3) glob '[a-z][a-z][a-z]', 'x' || hex('language' || '=' || substr(a.languages, 21, 3)) || 'x ', '') ||
    coalesce((select group_concat(word, '') from (select distinct 'x' || hex('species' || '=' || lower(x.descriptor)) || 'x ' as word from mesh_headings x where x.pmid = a.pmid and x.descriptor in ('Humans', 'Animals') order by 1)), '') ||
    iif(a.pmcid is not null, 'x' || hex('full_text' || '=' || 'free in PubMed Central') || 'x ', '') ||
    iif(a.retracted, 'x' || hex('notice' || '=' || 'retracted') || 'x ', '') ||
    iif(a.expression_of_concern, 'x' || hex('notice' || '=' || 'expression of concern') || 'x ', '') ||
    iif(a.corrected, 'x' || hex('notice' || '=' || 'corrected') || 'x ', '') ||
    iif(a.updated, 'x' || hex('notice' || '=' || 'updated') || 'x ', '') ||
    iif(a.is_notice, 'x' || hex('notice' || '=' || 'a notice itself') || 'x ', '') ||
    coalesce((select group_concat(word, '') from (select distinct 'x' || hex('registration' || '=' || 'trial registered') || 'x ' as word from registrations x where x.pmid = a.pmid and x.bank in ('ANZCTR', 'ChiCTR', 'ClinicalTrials.gov', 'CRIS', 'CTIS', 'CTRI', 'DRKS', 'EudraCT', 'IRCT', 'ISRCTN', 'JapicCTI', 'JMACCT', 'JPRN', 'jRCT', 'LBCTR', 'NTR', 'PACTR', 'ReBec', 'REPEC', 'RPCEC', 'SLCTR', 'TCTR', 'UMIN-CTR', 'UMIN_CTR') order by 1)), '') ||
    coalesce((select group_concat(word, '') from (select distinct 'x' || hex('question' || '=' || x.question) || 'x ' as word from question_articles x where x.pmid = a.pmid and x.matching order by 1)), '') ||
    iif(a.published <> '', 'x' || hex('year' || '=' || substr(a.published, 1, 4)) || 'x ', '') as facets
from articles a"""

QUESTION_LABELS_2 = """insert into question_labels
select q.question, x.label_group, x.value, q.published, q.pmid from question_articles q join labels x on x.pmid = q.pmid where q.matching and 1
union select q.question, 'language', substr(x.languages, 1, 3), q.published, q.pmid from question_articles q join articles x on x.pmid = q.pmid where q.matching and substr(x.languages, 1, 3) glob '[a-z][a-z][a-z]'
union select q.question, 'language', substr(x.languages, 5, 3), q.published, q.pmid from question_articles q join articles x on x.pmid = q.pmid where q.matching and substr(x.languages, 5, 3) glob '[a-z][a-z][a-z]'
union select q.question, 'language', substr(x.languages, 9, 3), q.published, q.pmid from question_articles q join articles x on x.pmid = q.pmid where q.matching and substr(x.languages, 9, 3) glob '[a-z][a-z][a-z]'
union select q.question, 'language', substr(x.languages, 13, 3), q.published, q.pmid from question_articles q join articles x on x.pmid = q.pmid where q.matching and substr(x.languages, 13, 3) glob '[a-z][a-z][a-z]'
union select q.question, 'language', substr(x.languages, 17, 3), q.published, q.pmid from question_articles q join articles x on x.pmid = q.pmid where q.matching and substr(x.languages, 17, 3) glob '[a-z][a-z][a-z]'
union select q.question, 'language', substr(x.languages, 21, 3), q.published, q.pmid from question_articles q join articles x on x.pmid = q.pmid where q.matching and substr(x.languages, 21, 3) glob '[a-z][a-z][a-z]'
union select q.question, 'species', lower(x.descriptor), q.published, q.pmid from question_articles q join mesh_headings x on x.pmid = q.pmid where q.matching and x.descriptor in ('Humans', 'Animals')
union select q.question, 'full_text', 'free in PubMed Central', q.published, q.pmid from question_articles q join articles x on x.pmid = q.pmid where q.matching and x.pmcid is not null
union select q.question, 'notice', 'retracted', q.published, q.pmid from question_articles q join articles x on x.pmid = q.pmid where q.matching and x.retracted
union select q.question, 'notice', 'expression of concern', q.published, q.pmid from question_articles q join articles x on x.pmid = q.pmid where q.matching and x.expression_of_concern
union select q.question, 'notice', 'corrected', q.published, q.pmid from question_articles q join articles x on x.pmid = q.pmid where q.matching and x.corrected
union select q.question, 'notice', 'updated', q.published, q.pmid from question_articles q join articles x on x.pmid = q.pmid where q.matching and x.updated
union select q.question, 'notice', 'a notice itself', q.published, q.pmid from question_articles q join articles x on x.pmid = q.pmid where q.matching and x.is_notice
union select q.question, 'registration', 'trial registered', q.published, q.pmid from question_articles q join registrations x on x.pmid = q.pmid where q.matching and x.bank in ('ANZCTR', 'ChiCTR', 'ClinicalTrials.gov', 'CRIS', 'CTIS', 'CTRI', 'DRKS', 'EudraCT', 'IRCT', 'ISRCTN', 'JapicCTI', 'JMACCT', 'JPRN', 'jRCT', 'LBCTR', 'NTR', 'PACTR', 'ReBec', 'REPEC', 'RPCEC', 'SLCTR', 'TCTR', 'UMIN-CTR', 'UMIN_CTR')
union select q.question, 'all', '', q.published, q.pmid from question_articles q join articles x on x.pmid = q.pmid where q.matching and 1"""

SEARCHED_ARTICLES_5 = """create view searched_articles as
select a.pmid, coalesce(t.title, a.title) as title, coalesce(t.abstract, a.abstract) as abstract,
  coalesce(t.keywords_text, a.keywords_text) as keywords_text, coalesce(t.mesh_text, a.mesh_text) as mesh_text,
  coalesce(t.authors_text, a.authors_text) as authors_text,
  coalesce((select group_concat(word, '') from (
      select distinct 'x' || hex(x.label_group || '=' || x.value) || 'x ' as word
      from labels x where x.pmid = a.pmid order by 1)), '') ||
    iif(substr(a.languages, 1, 3) glob '[a-z][a-z][a-z]',
      'x' || hex('language=' || substr(a.languages, 1, 3)) || 'x ', '') ||
    iif(substr(a.languages, 5, 3) glob '[a-z][a-z][a-z]',
      'x' || hex('language=' || substr(a.languages, 5, 3)) || 'x ', '') ||
    iif(substr(a.languages, 9, 3) glob '[a-z][a-z][a-z]',
      'x' || hex('language=' || substr(a.languages, 9, 3)) || 'x ', '') ||
    iif(substr(a.languages, 13, 3) glob '[a-z][a-z][a-z]',
      'x' || hex('language=' || substr(a.languages, 13, 3)) || 'x ', '') ||
    iif(substr(a.languages, 17, 3) glob '[a-z][a-z][a-z]',
      'x' || hex('language=' || substr(a.languages, 17, 3)) || 'x ', '') ||
    iif(substr(a.languages, 21, 3) glob '[a-z][a-z][a-z]',
      'x' || hex('language=' || substr(a.languages, 21, 3)) || 'x ', '') ||
    coalesce((select group_concat(word, '') from (
      select distinct 'x' || hex('species=' || lower(x.descriptor)) || 'x ' as word from mesh_headings x
      where x.pmid = a.pmid and x.descriptor in ('Humans', 'Animals') order by 1)), '') ||
    iif(a.pmcid is not null, 'x' || hex('full_text=free in PubMed Central') || 'x ', '') ||
    iif(a.retracted, 'x' || hex('notice=retracted') || 'x ', '') ||
    iif(a.expression_of_concern, 'x' || hex('notice=expression of concern') || 'x ', '') ||
    iif(a.corrected, 'x' || hex('notice=corrected') || 'x ', '') ||
    iif(a.updated, 'x' || hex('notice=updated') || 'x ', '') ||
    iif(a.is_notice, 'x' || hex('notice=a notice itself') || 'x ', '') ||
    coalesce((select 'x' || hex('registration=trial registered') || 'x '
      where exists (select 1 from registrations x where x.pmid = a.pmid and x.bank in (
        'ANZCTR', 'ChiCTR', 'ClinicalTrials.gov', 'CRIS', 'CTIS', 'CTRI', 'DRKS', 'EudraCT', 'IRCT', 'ISRCTN',
        'JapicCTI', 'JMACCT', 'JPRN', 'jRCT', 'LBCTR', 'NTR', 'PACTR', 'ReBec', 'REPEC', 'RPCEC', 'SLCTR', 'TCTR',
        'UMIN-CTR', 'UMIN_CTR'))), '') ||
    coalesce((select group_concat(word, '') from (
      select distinct 'x' || hex('question=' || x.question) || 'x ' as word from question_articles x
      where x.pmid = a.pmid and x.matching order by 1)), '') ||
    iif(a.published <> '', 'x' || hex('year=' || substr(a.published, 1, 4)) || 'x ', '') as facets
from articles a left join searched_texts t on t.pmid = a.pmid"""

_RETRACTED = "    iif(a.retracted, 'x' || hex('notice=retracted') || 'x ', '') ||\n"
SEARCHED_ARTICLES_7 = SEARCHED_ARTICLES_5.replace(
    _RETRACTED, _RETRACTED + _RETRACTED.replace("retracted", "withdrawn")
)
