const rfc3339 = /^(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(?:\.(\d+))?([Zz]|[+-]\d{2}:\d{2})$/;
// Nothing of this form can roll over into the next month or day; Date.parse reads it as it stands (ECMA-262, Date Time String Format).
const common = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{3})?Z$/;
const maxEpochMs = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/**
 * Reads a time as it stands on the wire: RFC 3339 (section 5.6, the offset is required) or epoch milliseconds as an integer.
 *
 * @returns epoch milliseconds, or null when it is neither, or lies outside the years 1970 to 9999.
 */
export const parseTime = (value: unknown): number | null => {
  if (typeof value === 'number') return Number.isInteger(value) && value >= 0 && value <= maxEpochMs ? value : null;
  if (typeof value !== 'string' || value.length > 64) return null;
  if (common.test(value)) return sinceEpoch(Date.parse(value));
  return parseAnyTime(value);
};

const sinceEpoch = (epoch: number): number | null => (epoch >= 0 && epoch <= maxEpochMs ? epoch : null);

const parseAnyTime = (value: string): number | null => {
  const match = rfc3339.exec(value);
  if (match === null) return null;
  const [, year, month, day, hour, minute, seconds, fraction = '', offset = 'Z'] = match;
  const leap = seconds === '60';
  const second = leap ? '59' : seconds;
  const date = new Date(
    Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second)),
  );
  // Date.UTC rolls 31 February over to March and 24:00 to the next day; of a real time, minutes and all come back unchanged.
  const rolled =
    date.getUTCDate() !== Number(day) ||
    date.getUTCMonth() !== Number(month) - 1 ||
    date.getUTCFullYear() !== Number(year);
  const off = date.getUTCHours() !== Number(hour) || date.getUTCMinutes() !== Number(minute) || Number(second) > 59;
  const wall = date.getTime();
  const shift = offset.length === 1 ? 0 : offsetMinutes(offset);
  if (rolled || off || shift === null) return null;
  const utc = wall - shift * 60_000;
  // A leap second (RFC 3339, section 5.7) only ever follows 23:59:59 UTC; it counts as the second after.
  if (leap && !new Date(utc).toISOString().endsWith('T23:59:59.000Z')) return null;
  const epoch = utc + (leap ? 1000 : 0) + Number(fraction.slice(0, 3).padEnd(3, '0'));
  return sinceEpoch(epoch);
};

const offsetMinutes = (offset: string): number | null => {
  const hours = Number(offset.slice(1, 3));
  const minutes = Number(offset.slice(4, 6));
  if (hours > 23 || minutes > 59) return null;
  return (offset.startsWith('-') ? -1 : 1) * (hours * 60 + minutes);
};
