import type { FC } from 'hono/jsx';
import type { DomainRow } from '../../../db/domain-row.ts';
import { type AddressRow, issuerOf, type Standing, type Stood, tallyOf } from '../domain-truth.ts';
import { count, counted } from '../format.ts';
import { CsvLink } from '../parts/forms.tsx';
import { Empty, Panel } from '../parts/panel.tsx';
import { Mark, Outcome } from '../parts/state.tsx';
import { DataTable } from '../parts/table.tsx';
import { Fingerprint, Link, Quoted, Time } from '../parts/text.tsx';
import { eventWords, verdictWords } from '../words.ts';

const mostAddresses = 20;

const standingWords = {
  same: 'in step',
  old: 'old certificate',
  other: 'another certificate',
  unknown: 'accepted',
} as const satisfies Record<Exclude<Standing, 'fault'>, string>;

const StandingMark: FC<{ of: Stood }> = ({ of: { standing, address } }) => {
  if (standing === 'fault') return <Outcome of="bad">{verdictWords[address.verdict]}</Outcome>;
  const different = standing === 'old' || standing === 'other';
  return different ? (
    <Mark tone="drift" icon="s-drift">
      {standingWords[standing]}
    </Mark>
  ) : (
    <Outcome of="ok">{standingWords[standing]}</Outcome>
  );
};

const chainText = ({ verdict, error }: AddressRow) => {
  if (verdict === 'ok') return 'trusted, name matches';
  return error === null ? '–' : <Quoted text={error} max={200} />;
};

type Truth = { readonly kind: 'expected'; readonly row: DomainRow } | ({ readonly kind: 'seen' } & Stood);

const truthColumns = [
  {
    name: 'Where',
    kind: 'id',
    cell: (line: Truth) =>
      line.kind === 'seen' ? (
        <Quoted text={line.address.address} max={120} />
      ) : (
        <>
          Expected
          <span class="sub">
            {line.row.certificate_filled || line.row.cert_last_event_type === null
              ? 'by the last good probe'
              : `by ${eventWords[line.row.cert_last_event_type]}`}
          </span>
        </>
      ),
  },
  {
    name: 'Verdict',
    cell: (line: Truth) =>
      line.kind === 'seen' ? <StandingMark of={line} /> : <span class="state state-plain">event truth</span>,
  },
  {
    name: 'Leaf sha256',
    cell: (line: Truth) => {
      if (line.kind === 'seen') return <Fingerprint of={line.address.certificate_ref} />;
      const { cert_last_event_id: event, certificate_ref: ref, certificate_filled: filled } = line.row;
      const leaf = <Fingerprint of={ref} />;
      return event === null || filled ? leaf : <Link to={`events/${event}`}>{leaf}</Link>;
    },
  },
  {
    name: 'notAfter',
    cell: (line: Truth) => <Time at={line.kind === 'seen' ? line.address.tls_not_after : line.row.tls_not_after} />,
  },
  {
    name: 'Issuer',
    cell: (line: Truth) => (line.kind === 'seen' ? <Quoted text={issuerOf(line.address)} max={80} /> : '–'),
  },
  {
    name: 'Chain and name',
    kind: 'err',
    cell: (line: Truth) => (line.kind === 'seen' ? chainText(line.address) : '–'),
  },
  {
    name: 'Checked',
    cell: (line: Truth) =>
      line.kind === 'seen' ? (
        <>
          <Time at={line.address.checked_at} />
          <span class="sub">{line.address.depth === 'full' ? 'full handshake' : 'certificate fetch'}</span>
        </>
      ) : (
        <Time at={line.row.cert_last_event_at} />
      ),
  },
] as const;

/** The certificate that events spoke of, beside what each address serves. */
export const TruthPanel: FC<{ row: DomainRow; stood: readonly Stood[] }> = ({ row, stood }) => {
  const { other } = tallyOf(stood);
  const odd = stood.filter(({ standing }) => standing !== 'same');
  const shown = stood.length > mostAddresses ? odd.slice(0, 100) : stood;
  const hidden = stood.length - shown.length;
  const wrong = stood.filter(({ standing }) => standing === 'fault').length;
  const said = [
    counted(stood.length, 'address', 'addresses'),
    ...(other.length > 0 ? [`${count(other.length)} ${other.length === 1 ? 'differs' : 'differ'}`] : []),
    ...(wrong > 0 ? [`${count(wrong)} cannot be used`] : []),
  ];
  const lines: Truth[] = [{ kind: 'expected', row }, ...shown.map((one) => ({ kind: 'seen' as const, ...one }))];
  return (
    <Panel
      id="truth"
      title="Event truth and served truth"
      about={said.join(', ')}
      more={<CsvLink to={`domains/${encodeURIComponent(row.domain)}/addresses.csv`} />}
      live="domains"
      {...(hidden > 0 && { foot: <span>{counted(hidden, 'more address', 'more addresses')} in step</span> })}
    >
      <DataTable
        caption="The expected certificate beside the one each address serves"
        look="tight"
        columns={truthColumns}
        rows={lines}
        rowClass={({ kind }) => (kind === 'expected' ? 'expected' : undefined)}
        rowId={(line) => (line.kind === 'seen' ? line.address.address : 'expected')}
      />
      {stood.length === 0 && (
        <Empty title="No address was looked at yet">
          {row.verified
            ? 'The next probe fills this table; probe now to have it at once.'
            : 'Verify the domain first, with notafter domains verify.'}
        </Empty>
      )}
    </Panel>
  );
};
