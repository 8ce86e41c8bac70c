/**
 * What abbreviations of time zones mean in dates of logs, as fail2ban takes them: each one thing, whatever else it may mean elsewhere, and
 * without summer time. Military letters included.
 */
const abbreviations: Readonly<Record<string, string>> = {
  '-12:00': 'Y',
  '-11:00': 'NUT SST X',
  '-10:00': 'CKT HAST HST TAHT TKT W',
  '-09:30': 'MART MIT',
  '-09:00': 'AKST GAMT GIT HADT HNY V',
  '-08:00': 'AKDT CIST HAY HNP PST PT U',
  '-07:00': 'HAP HNR MST PDT T',
  '-06:00': 'CST EAST GALT HAR HNC MDT S',
  '-05:00': 'CDT COT EASST ECT EST ET HAC HNE PET R',
  '-04:30': 'HLV VET',
  '-04:00': 'AST BOT CLT COST EDT FKT GYT HAE HNA PYT Q',
  '-03:30': 'HNT NST NT',
  '-03:00': 'ADT ART BRT CLST FKST GFT HAA P PMST PYST SRT UYT WGT',
  '-02:30': 'HAT NDT',
  '-02:00': 'BRST FNT O PMDT UYST WGST',
  '-01:00': 'AZOT CVT EGT N',
  '+00:00': 'EGST GMT UTC WET WT Z',
  '+01:00': 'A CET DFT WAT WEDT WEST',
  '+02:00': 'B CAT CEDT CEST EET SAST WAST',
  '+03:00': 'C EAT EEDT EEST IDT MSK',
  '+03:30': 'IRST',
  '+04:00': 'AMT AZT D GET GST KUYT MSD MUT RET SAMT SCT',
  '+04:30': 'AFT IRDT',
  '+05:00': 'AMST AQTT AZST E HMT MAWT MVT PKT TFT TJT TMT UZT YEKT',
  '+05:30': 'SLT',
  '+05:45': 'NPT',
  '+06:00': 'ALMT BIOT BTT F IOT KGT NOVT OMST YEKST',
  '+06:30': 'CCT MMT',
  '+07:00': 'CXT DAVT G HOVT ICT KRAT NOVST OMSST THA WIB',
  '+08:00': 'ACT AWST BDT BNT CAST H HKT IRKT KRAST MYT PHT SGT ULAT WITA WST',
  '+09:00': 'AWDT I IRKST JST KST PWT TLT WDT WIT YAKT',
  '+09:30': 'ACST',
  '+10:00': 'AEST ChST K PGT VLAT YAKST YAPT',
  '+10:30': 'ACDT LHST',
  '+11:00': 'AEDT L LHDT MAGT NCT PONT SBT VLAST VUT',
  '+11:30': 'NFT',
  '+12:00': 'ANAST ANAT FJT GILT M MAGST MHT NZST PETST PETT TVT WFT',
  '+13:00': 'FJST NZDT',
};

const offsets: ReadonlyMap<string, number> = new Map(
  Object.entries(abbreviations).flatMap(([offset, names]) => names.split(' ').map((name) => [name, clockMinutes(offset)] as const)),
);

/**
 * The offset from UTC, in minutes, of a zone as it stands in a line or as `logtimezone`: `UTC+0200`, `-04:00`, `CEST`, `Z`.
 *
 * @returns undefined for a zone that is not known
 */
export function zoneMinutes(zone: string): number | undefined {
  const [, name, offset] = /^([A-Z](?:[A-Z]{2,4})?)?([+-][01]\d(?::?\d{2})?)?$/.exec(zone) ?? [];
  if (name === undefined && offset === undefined) return zone === '' ? 0 : undefined;
  const base = name === undefined ? 0 : offsets.get(name);
  return base === undefined ? undefined : base + (offset === undefined ? 0 : clockMinutes(offset));
}

function clockMinutes(offset: string): number {
  const minutes = Number(offset.slice(1, 3)) * 60 + (offset.length > 3 ? Number(offset.slice(-2)) : 0);
  return offset.startsWith('-') ? -minutes : minutes;
}
