import { Drawer } from "@mantine/core";
import type { ReactNode } from "react";

import { useText } from "@/lib/text";

import classes from "./side-panel.module.css";

interface SidePanelProps {
  title: string;
  opened: boolean;
  onClose: () => void;
  children: ReactNode;
}

/** A dialog at the right edge (the whole screen on a phone) for what is behind a figure. */
export function SidePanel({ title, opened, onClose, children }: SidePanelProps) {
  const text = useText();
  return (
    <Drawer.Root opened={opened} onClose={onClose} position="right" size={460}>
      <Drawer.Overlay backgroundOpacity={0.45} />
      <Drawer.Content>
        {/* Not Drawer.Header: a <header> in a dialog counts as a second banner of the page. */}
        <div className={classes.head}>
          <Drawer.Title className={classes.title}>{title}</Drawer.Title>
          <Drawer.CloseButton aria-label={text("sidePanel.close")} />
        </div>
        <Drawer.Body className={classes.body}>{children}</Drawer.Body>
      </Drawer.Content>
    </Drawer.Root>
  );
}
