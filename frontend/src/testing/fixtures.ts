import type { Account, Community, Interval, Me, StatementLine } from "@/lib/api/types";

const address = (digit: string) => `0x${digit.repeat(40)}`;

export const community: Community = {
  name: "Fontana, California",
  scenario: "fontana",
  time_zone: "America/Los_Angeles",
  currency: "USD",
  interval_s: 3600,
  gate_open_h: 24,
  gate_close_intervals: 1,
  agent_address: address("a"),
  retailer_address: address("b"),
  community_fund_address: address("c"),
  eip712: { name: "Commonwatt", version: "1", chainId: 31337, verifyingContract: address("d") },
  contracts: { token: address("e"), exchange: address("d"), registry: address("f"), oracle: address("9") },
  tariff: { import_micro_per_kwh: 220_000, feed_in_micro_per_kwh: 80_000, fee_micro_per_kwh: 2_000, bands: [] },
  demo_accounts: [],
};

export const clock = {
  now: "2017-07-12T20:20:00Z",
  wall_now: "2026-01-01T00:00:00Z",
  speed: 1,
  interval_s: 3600,
  interval_start: "2017-07-12T20:00:00Z",
  interval_end: "2017-07-12T21:00:00Z",
  readAt: 0,
};

export const interval: Interval = {
  start: "2017-07-12T23:00:00Z",
  end: "2017-07-13T00:00:00Z",
  state: "open",
  gate_closure: "2017-07-12T22:00:00Z",
  price_micro_per_kwh: null,
  retail_micro_per_kwh: 220_000,
  feed_in_micro_per_kwh: 80_000,
  imbalance_micro_per_kwh: 220_000,
  fee_micro_per_kwh: 2_000,
  reference_micro_per_kwh: 150_000,
  traded_wh: 0,
  orders: 0,
};

export const participant: NonNullable<Me["participant"]> = {
  id: 1,
  pseudonym: "Alder",
  wallet_address: address("1"),
  agent_address: address("a"),
  site_id: 1,
  meter_id: `0x${"2".repeat(64)}`,
  battery_capacity_kwh: 6.4,
};

export const account: Account = {
  wallet_address: address("1"),
  balance_micro: 250_000_000,
  pending_withdrawal_micro: 0,
  mandate: {
    agent_address: address("a"),
    max_buy_micro_per_kwh: 540_000,
    min_sell_micro_per_kwh: 80_000,
    fee_cap_micro_per_kwh: 2_000,
    imbalance_cap_micro_per_kwh: 540_000,
    max_wh_per_day: 10_000,
    valid_until: "2018-01-01T00:00:00Z",
  },
};

export const statementLine: StatementLine = {
  interval_start: interval.start,
  meter_id: participant.meter_id,
  imported_wh: 1_180,
  exported_wh: 0,
  bought_wh: 777,
  sold_wh: 0,
  delivered_wh: 0,
  retail_import_wh: 403,
  feed_in_wh: 0,
  purchase_micro: 116_550,
  sale_micro: 0,
  shortfall_micro: 0,
  fee_micro: 1_554,
  retail_micro: 88_660,
  feed_in_micro: 0,
  net_micro: 206_764,
  estimated: false,
  reading_signature: `0x${"3".repeat(130)}`,
  tx_hash: `0x${"4".repeat(64)}`,
  block_number: 1_234,
};
