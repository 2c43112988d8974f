import { useQuery } from "@tanstack/react-query";
import { NavLink } from "react-router";

import { Icon, type IconName } from "@/components/icons";
import { Mark } from "@/components/mark";
import { meQuery } from "@/lib/api/queries";
import type { Me } from "@/lib/api/types";
import { useText, type MessageId } from "@/lib/text";

import classes from "./navigation.module.css";

interface Place {
  to: string;
  icon: IconName;
  label: MessageId;
}

const COMMUNITY: Place = { to: "/", icon: "community", label: "nav.community" };
const HOME: Place = { to: "/home", icon: "home", label: "nav.home" };
const TRADE: Place = { to: "/trade", icon: "trade", label: "nav.trade" };
const BILLS: Place = { to: "/bills", icon: "bills", label: "nav.bills" };
const AGREEMENTS: Place = { to: "/agreements", icon: "agreements", label: "nav.agreements" };
const PLANT: Place = { to: "/plant", icon: "plant", label: "nav.plant" };
const FORECASTS: Place = { to: "/forecasts", icon: "forecast", label: "nav.forecasts" };
const METHODS: Place = { to: "/methods", icon: "chart", label: "nav.methods" };

const PLACES: Record<Me["role"], readonly Place[]> = {
  prosumer: [COMMUNITY, HOME, TRADE, BILLS, AGREEMENTS],
  operator: [COMMUNITY, PLANT, FORECASTS, METHODS, TRADE, BILLS],
  auditor: [COMMUNITY, PLANT, FORECASTS, TRADE, BILLS],
};

/** Left rail on wide screens, bottom bar on phones. */
export function Navigation() {
  const text = useText();
  const { data: me } = useQuery(meQuery);
  const places = PLACES[me?.role ?? "prosumer"];
  return (
    <nav className={classes.nav} aria-label={text("nav.label")}>
      <div className={classes.brand}>
        <Mark />
        <span className={classes.name}>Commonwatt</span>
      </div>
      <ul className={classes.places}>
        {places.map(({ to, icon, label }) => (
          <li key={to}>
            <NavLink to={to} end={to === "/"} className={classes.place ?? ""}>
              <Icon name={icon} size={22} />
              <span>{text(label)}</span>
            </NavLink>
          </li>
        ))}
      </ul>
    </nav>
  );
}
