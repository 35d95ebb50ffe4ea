import type { FC } from 'hono/jsx';
import type { AuditRow } from '../../../db/audit-reads.ts';
import { changesOf, type FieldChange } from '../diff.ts';
import { count, counted, shortId } from '../format.ts';
import { Icon } from '../parts/icons.tsx';
import type { Column } from '../parts/table.tsx';
import { Link, Quoted, Time } from '../parts/text.tsx';
import { plainWords, sentence } from '../words.ts';

const mostFields = 6;

/** An action of the log in words: `Incident acknowledge`. */
export const actionWords = (action: string): string => sentence(plainWords(action.replaceAll('.', ' ')));

/** Where the page of an object is; null for those without one. */
const pageOf = ({ object_type: type, object_id: id }: AuditRow): string | null => {
  if (id === null) return null;
  const pages: Readonly<Record<string, string>> = {
    incident: `incidents/${id}`,
    notification: `notifications/${id}`,
    event: `events/${id}`,
    replay: `replays/${id}`,
  };
  return pages[type] ?? null;
};

const What: FC<{ of: AuditRow }> = ({ of }) => {
  const { object_type: type, object_id: id } = of;
  const text = id === null ? `${plainWords(type)}, several` : `${plainWords(type)} ${shortId(id)}`;
  const to = pageOf(of);
  return (
    <>
      {actionWords(of.action)}
      <span class="sub">
        {to === null ? (
          <Quoted text={text} max={120} />
        ) : (
          <Link to={to}>
            <Quoted text={text} max={120} />
          </Link>
        )}
        {of.org_id !== null && (
          <>
            , <Quoted text={of.org_id} max={80} />
          </>
        )}
      </span>
    </>
  );
};

const Who: FC<{ of: AuditRow }> = ({ of: { actor, actor_kind: kind, role, address } }) => (
  <>
    <span class="state state-plain">
      <Icon name={kind === 'person' ? 'person' : 'policy'} />
      <Quoted text={actor} max={80} />
    </span>
    <span class="sub">
      <Quoted
        text={[role ?? (kind === 'person' ? null : kind), address].filter((word) => word !== null).join(', ')}
        max={120}
      />
    </span>
  </>
);

const Changed: FC<{ of: FieldChange }> = ({ of: { name, before, after } }) => (
  <li>
    <code>{name}</code>:{' '}
    {before !== null && (
      <del>
        <Quoted text={before} max={200} />
      </del>
    )}
    {before !== null && after !== null && ' → '}
    {after !== null && (
      <ins>
        <Quoted text={after} max={200} />
      </ins>
    )}
  </li>
);

const Diff: FC<{ of: AuditRow }> = ({ of: { before, after } }) => {
  const changes = changesOf(before, after);
  if (changes.length === 0) return <span class="faint">–</span>;
  const [shown, more] = [changes.slice(0, mostFields), changes.slice(mostFields)];
  return (
    <>
      <ul class="diff">
        {shown.map((one) => (
          <Changed of={one} />
        ))}
      </ul>
      {more.length > 0 && (
        <details>
          <summary>{counted(more.length, 'more field')}</summary>
          <ul class="diff">
            {more.map((one) => (
              <Changed of={one} />
            ))}
          </ul>
        </details>
      )}
    </>
  );
};

/** The columns of the log. */
export const auditColumns: readonly Column<AuditRow>[] = [
  {
    name: 'When',
    kind: 'id',
    width: 'm',
    cell: ({ seq, at, request_id: request }) => (
      <>
        <Time at={at} as="exact" />
        <span class="sub">
          row {count(seq)}
          {request !== null && (
            <>
              ,{' '}
              <Link to="audit" params={{ requestId: request }}>
                request
              </Link>
            </>
          )}
        </span>
      </>
    ),
  },
  { name: 'Who', cell: (row) => <Who of={row} /> },
  { name: 'What', cell: (row) => <What of={row} /> },
  { name: 'Change', kind: 'err', cell: (row) => <Diff of={row} /> },
  { name: 'Reason', kind: 'err', cell: ({ reason }) => <Quoted text={reason} max={300} /> },
];
