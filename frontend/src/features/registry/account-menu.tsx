import { Button, Menu, UnstyledButton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "react-router";

import { meQuery } from "@/lib/api/queries";
import { useText, type MessageId } from "@/lib/text";

import { useSignOut } from "./session";
import classes from "./account-menu.module.css";

/** Who is signed in, and the way out. */
export function AccountMenu() {
  const text = useText();
  const navigate = useNavigate();
  const signOut = useSignOut();
  const { data: me } = useQuery(meQuery);
  if (me === undefined) return <div className={classes.place} />;
  if (me === null) {
    return (
      <Button component={Link} to="/login" size="xs">
        {text("session.signIn")}
      </Button>
    );
  }
  const role: MessageId = `role.${me.role}`;
  const initials = me.name.split(/\s+/).slice(0, 2).map((word) => word.charAt(0)).join("");
  return (
    <Menu position="bottom-end" width={240}>
      <Menu.Target>
        <UnstyledButton className={classes.account} aria-label={text("session.account", { initials, name: me.name })}>
          {initials}
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        <div className={classes.who}>
          <div className={classes.name}>{me.name}</div>
          <div className={classes.role}>
            {me.participant ? text("session.knownAs", { role: text(role), pseudonym: me.participant.pseudonym }) : text(role)}
          </div>
        </div>
        <Menu.Divider />
        <Menu.Item onClick={() => signOut.mutate(undefined, { onSuccess: () => void navigate("/login") })}>
          {text("session.signOut")}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
