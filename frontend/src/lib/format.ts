/** Figures as members read them. Energy arrives in Wh, money and prices in micro-units (per kWh). */

const MICRO = 1_000_000;

export interface Formats {
  /** `12.35 kWh`, at most two decimals. */
  energy: (wh: number) => string;
  energyKwh: (kwh: number) => string;
  power: (kw: number) => string;
  /** `$8.31`; three decimals below a tenth of a unit so that small amounts do not vanish. */
  money: (micro: number) => string;
  /** `$0.567432`: to the micro-unit, where amounts are to add up. */
  exact: (micro: number) => string;
  /** `$0.142`: per kWh, unit not written. */
  price: (micro: number) => string;
  percent: (fraction: number) => string;
  number: (value: number, digits?: number) => string;
  /** `24 s`, `14 min`, `3 h`: the next smaller whole of the largest unit. */
  duration: (seconds: number) => string;
  /** `14:05` in the community's zone. */
  time: (at: string | number) => string;
  /** `14:00–15:00`. */
  range: (start: string | number, end: string | number) => string;
  /** `Tue 4 Aug`. */
  day: (at: string | number) => string;
  /** `Tue 4 Aug, 14:05`. */
  dayTime: (at: string | number) => string;
  /** `PDT`. */
  zone: (at: string | number) => string;
  /** The local calendar date, `2026-08-04`. */
  localDate: (at: string | number) => string;
}

const ms = (at: string | number): number => (typeof at === "number" ? at : Date.parse(at));

function currencyFormat(locale: string, currency: string, digits: (value: number) => number) {
  return (micro: number): string => {
    const value = micro / MICRO;
    const count = digits(value);
    const options = { minimumFractionDigits: count, maximumFractionDigits: count };
    // A token's symbol (say cUSD) is no ISO 4217 code: write it after the number.
    if (!/^[A-Za-z]{3}$/.test(currency)) return `${value.toLocaleString(locale, options)} ${currency}`;
    return value.toLocaleString(locale, { ...options, style: "currency", currency, currencyDisplay: "narrowSymbol" });
  };
}

export function formats(locale: string, currency: string, timeZone: string): Formats {
  const upTo = (digits: number) => new Intl.NumberFormat(locale, { maximumFractionDigits: digits });
  const fixed = (digits: number) =>
    new Intl.NumberFormat(locale, { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const two = upTo(2);
  const date = (options: Intl.DateTimeFormatOptions) => new Intl.DateTimeFormat(locale, { ...options, timeZone });
  const clock = date({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const weekday = date({ weekday: "short" });
  const dayMonth = date({ day: "numeric", month: "short" });
  const zone = date({ timeZoneName: "short" });
  const iso = new Intl.DateTimeFormat("sv-SE", { timeZone });
  const time = (at: string | number) => clock.format(ms(at));
  const day = (at: string | number) => `${weekday.format(ms(at))} ${dayMonth.format(ms(at))}`;
  return {
    energy: (wh) => `${two.format(wh / 1000)} kWh`,
    energyKwh: (kwh) => `${two.format(kwh)} kWh`,
    power: (kw) => `${(Math.abs(kw) >= 100 ? upTo(0) : fixed(Math.abs(kw) >= 10 ? 1 : 2)).format(kw)} kW`,
    money: currencyFormat(locale, currency, (value) => (value !== 0 && Math.abs(value) < 0.1 ? 3 : 2)),
    exact: currencyFormat(locale, currency, () => 6),
    price: currencyFormat(locale, currency, () => 3),
    percent: (fraction) => `${upTo(0).format(fraction * 100)} %`,
    duration: (seconds) => {
      if (seconds < 100) return `${Math.floor(seconds)} s`;
      return seconds < 100 * 60 ? `${Math.floor(seconds / 60)} min` : `${Math.floor(seconds / 3600)} h`;
    },
    number: (value, digits = 0) => upTo(digits).format(value),
    time,
    range: (start, end) => `${time(start)}–${time(end)}`,
    day,
    dayTime: (at) => `${day(at)}, ${time(at)}`,
    zone: (at) => zone.formatToParts(ms(at)).find((part) => part.type === "timeZoneName")?.value ?? timeZone,
    localDate: (at) => iso.format(ms(at)),
  };
}

/** `0x12ab…9f3c`. */
export function shortHash(hash: string): string {
  return hash.length <= 14 ? hash : `${hash.slice(0, 6)}…${hash.slice(-4)}`;
}
