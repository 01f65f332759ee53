/** The flags of every command that reads the configuration file. */
export const configFlags = {
  config: {
    type: "string",
    valueHint: "PATH",
    description: "The configuration file.\nDefaults to $LITESTREAM_CONFIG, then /etc/litestream.yml",
  },
  "expand-env": {
    type: "boolean",
    default: true,
    description: "Takes $NAME in the configuration file as it is written.",
  },
} as const;
