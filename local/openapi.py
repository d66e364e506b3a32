{
 "components": {
  "schemas": {
   "AcceptedResponse": {
    "properties": {
     "status": {
      "const": "accepted",
      "default": "accepted",
      "title": "Status",
      "type": "string"
     }
    },
    "title": "AcceptedResponse",
    "type": "object"
   },
   "AiLimitsRequest": {
    "additionalProperties": false,
    "description": "What the AI gateway limits the key to, besides what limits its user. What is left out is not limited.",
    "properties": {
     "models": {
      "anyOf": [
       {
        "items": {
         "maxLength": 128,
         "minLength": 1,
         "type": "string"
        },
        "maxItems": 100,
        "minItems": 1,
        "type": "array"
       },
       {
        "type": "null"
       }
      ],
      "description": "the only models it may use",
      "title": "Models"
     },
     "monthly_usd": {
      "anyOf": [
       {
        "anyOf": [
         {
          "pattern": "^[0-9]{1,9}(\\.[0-9]{1,6})?$",
          "type": "string"
         },
         {
          "maximum": 999999999.0,
          "minimum": 0.0,
          "type": "number"
         }
        ],
        "description": "US dollars, exactly as written: `20`, `\"0.5\"`",
        "examples": [
         "20.00"
        ]
       },
       {
        "type": "null"
       }
      ],
      "description": "US dollars in a calendar month (UTC)",
      "title": "Monthly Usd"
     },
     "requests_per_minute": {
      "anyOf": [
       {
        "maximum": 1000000.0,
        "minimum": 1.0,
        "type": "integer"
       },
       {
        "type": "null"
       }
      ],
      "title": "Requests Per Minute"
     },
     "tokens_per_minute": {
      "anyOf": [
       {
        "maximum": 1000000000.0,
        "minimum": 1.0,
        "type": "integer"
       },
       {
        "type": "null"
       }
      ],
      "title": "Tokens Per Minute"
     }
    },
    "title": "AiLimitsRequest",
    "type": "object"
   },
   "AiLimitsResponse": {
    "properties": {
     "models": {
      "anyOf": [
       {
        "items": {
         "type": "string"
        },
        "type": "array"
       },
       {
        "type": "null"
       }
      ],
      "title": "Models"
     },
     "monthly_usd": {
      "anyOf": [
       {
        "description": "US dollars",
        "examples": [
         "12.34"
        ],
        "pattern": "^-?[0-9]+\\.[0-9]{2,6}$",
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Monthly Usd"
     },
     "requests_per_minute": {
      "anyOf": [
       {
        "type": "integer"
       },
       {
        "type": "null"
       }
      ],
      "title": "Requests Per Minute"
     },
     "tokens_per_minute": {
      "anyOf": [
       {
        "type": "integer"
       },
       {
        "type": "null"
       }
      ],
      "title": "Tokens Per Minute"
     }
    },
    "title": "AiLimitsResponse",
    "type": "object"
   },
   "ApiKeyList": {
    "properties": {
     "items": {
      "items": {
       "$ref": "#/components/schemas/ApiKeyResponse"
      },
      "title": "Items",
      "type": "array"
     },
     "next_cursor": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Next Cursor"
     }
    },
    "required": [
     "items",
     "next_cursor"
    ],
    "title": "ApiKeyList",
    "type": "object"
   },
   "ApiKeyRequest": {
    "properties": {
     "ai": {
      "anyOf": [
       {
        "$ref": "#/components/schemas/AiLimitsRequest"
       },
       {
        "type": "null"
       }
      ],
      "description": "a budget and limits of the key's own for the AI gateway"
     },
     "expires_at": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "description": "RFC 3339, in the future; null: never",
      "title": "Expires At"
     },
     "name": {
      "description": "1 to 100 characters",
      "title": "Name",
      "type": "string"
     },
     "scopes": {
      "description": "what the key may be used for; each once, at least one",
      "items": {
       "enum": [
        "ai",
        "chat",
        "files",
        "payments",
        "monitoring"
       ],
       "type": "string"
      },
      "title": "Scopes",
      "type": "array"
     }
    },
    "required": [
     "name",
     "scopes"
    ],
    "title": "ApiKeyRequest",
    "type": "object"
   },
   "ApiKeyResponse": {
    "properties": {
     "ai": {
      "anyOf": [
       {
        "$ref": "#/components/schemas/AiLimitsResponse"
       },
       {
        "type": "null"
       }
      ]
     },
     "created_at": {
      "title": "Created At",
      "type": "string"
     },
     "expires_at": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Expires At"
     },
     "hint": {
      "description": "the key's last four characters, to tell it from others",
      "title": "Hint",
      "type": "string"
     },
     "id": {
      "title": "Id",
      "type": "string"
     },
     "last_used_at": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "description": "to within about a minute",
      "title": "Last Used At"
     },
     "name": {
      "title": "Name",
      "type": "string"
     },
     "scopes": {
      "items": {
       "enum": [
        "ai",
        "chat",
        "files",
        "payments",
        "monitoring"
       ],
       "type": "string"
      },
      "title": "Scopes",
      "type": "array"
     }
    },
    "required": [
     "id",
     "name",
     "scopes",
     "hint",
     "created_at",
     "expires_at",
     "last_used_at"
    ],
    "title": "ApiKeyResponse",
    "type": "object"
   },
   "AuditEvent": {
    "properties": {
     "at": {
      "title": "At",
      "type": "string"
     },
     "details": {
      "additionalProperties": true,
      "title": "Details",
      "type": "object"
     },
     "id": {
      "title": "Id",
      "type": "string"
     },
     "kind": {
      "description": "`sign_in`, `sign_in_failed`, `share_created`, …",
      "title": "Kind",
      "type": "string"
     },
     "request_id": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Request Id"
     },
     "user_id": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "description": "whose account it concerns; null where nobody's is known",
      "title": "User Id"
     }
    },
    "required": [
     "id",
     "kind",
     "user_id",
     "at",
     "details",
     "request_id"
    ],
    "title": "AuditEvent",
    "type": "object"
   },
   "AuditList": {
    "properties": {
     "items": {
      "items": {
       "$ref": "#/components/schemas/AuditEvent"
      },
      "title": "Items",
      "type": "array"
     },
     "next_cursor": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "description": "a page may be short, or empty, before the end: only null is the end",
      "title": "Next Cursor"
     }
    },
    "required": [
     "items",
     "next_cursor"
    ],
    "title": "AuditList",
    "type": "object"
   },
   "CancelRequest": {
    "properties": {
     "at_period_end": {
      "default": true,
      "description": "false: at once",
      "title": "At Period End",
      "type": "boolean"
     }
    },
    "title": "CancelRequest",
    "type": "object"
   },
   "ChangePasswordRequest": {
    "properties": {
     "current_password": {
      "title": "Current Password",
      "type": "string"
     },
     "new_password": {
      "description": "10 to 128 characters",
      "title": "New Password",
      "type": "string"
     }
    },
    "required": [
     "current_password",
     "new_password"
    ],
    "title": "ChangePasswordRequest",
    "type": "object"
   },
   "CheckUptime": {
    "properties": {
     "check": {
      "title": "Check",
      "type": "string"
     },
     "kind": {
      "enum": [
       "dependency",
       "service"
      ],
      "title": "Kind",
      "type": "string"
     },
     "no_data_minutes": {
      "title": "No Data Minutes",
      "type": "integer"
     },
     "samples": {
      "title": "Samples",
      "type": "integer"
     },
     "series": {
      "items": {
       "$ref": "#/components/schemas/SeriesPoint"
      },
      "title": "Series",
      "type": "array"
     },
     "uptime_percent": {
      "anyOf": [
       {
        "type": "number"
       },
       {
        "type": "null"
       }
      ],
      "description": "of the samples; degraded counts as up. Null without samples",
      "title": "Uptime Percent"
     }
    },
    "required": [
     "check",
     "kind",
     "uptime_percent",
     "samples",
     "no_data_minutes",
     "series"
    ],
    "title": "CheckUptime",
    "type": "object"
   },
   "CheckoutRequest": {
    "properties": {
     "amount": {
      "anyOf": [
       {
        "anyOf": [
         {
          "pattern": "^[0-9]+(\\.[0-9]+)?$",
          "type": "string"
         },
         {
          "exclusiveMinimum": 0.0,
          "type": "number"
         }
        ],
        "description": "major units, exactly as written: `49.99`",
        "examples": [
         "49.99"
        ]
       },
       {
        "type": "null"
       }
      ],
      "description": "in the place of a price",
      "title": "Amount"
     },
     "cancel_url": {
      "anyOf": [
       {
        "maxLength": 2000,
        "pattern": "^https?://[^\\s]+$",
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Cancel Url"
     },
     "currency": {
      "anyOf": [
       {
        "description": "ISO 4217, e.g. `eur`",
        "maxLength": 3,
        "minLength": 3,
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Currency"
     },
     "customer_id": {
      "anyOf": [
       {
        "maxLength": 64,
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "description": "yours when left out; another's needs an administrator",
      "title": "Customer Id"
     },
     "description": {
      "default": "Payment",
      "description": "what the amount is for",
      "maxLength": 250,
      "minLength": 1,
      "title": "Description",
      "type": "string"
     },
     "metadata": {
      "additionalProperties": {
       "type": "string"
      },
      "default": {},
      "title": "Metadata",
      "type": "object"
     },
     "price_id": {
      "anyOf": [
       {
        "maxLength": 64,
        "minLength": 1,
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "description": "a price of `/api/payments/config`; one that recurs starts a subscription",
      "title": "Price Id"
     },
     "quantity": {
      "default": 1,
      "maximum": 1000000.0,
      "minimum": 1.0,
      "title": "Quantity",
      "type": "integer"
     },
     "success_url": {
      "anyOf": [
       {
        "maxLength": 2000,
        "pattern": "^https?://[^\\s]+$",
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Success Url"
     }
    },
    "title": "CheckoutRequest",
    "type": "object"
   },
   "CodeRequest": {
    "properties": {
     "code": {
      "maxLength": 100,
      "title": "Code",
      "type": "string"
     }
    },
    "required": [
     "code"
    ],
    "title": "CodeRequest",
    "type": "object"
   },
   "ConfigResponse": {
    "properties": {
     "currency": {
      "title": "Currency",
      "type": "string"
     },
     "prices": {
      "items": {
       "$ref": "#/components/schemas/PriceResponse"
      },
      "title": "Prices",
      "type": "array"
     },
     "publishable_key": {
      "title": "Publishable Key",
      "type": "string"
     }
    },
    "required": [
     "publishable_key",
     "currency",
     "prices"
    ],
    "title": "ConfigResponse",
    "type": "object"
   },
   "ConfirmRequest": {
    "properties": {
     "payment_intent_id": {
      "maxLength": 64,
      "minLength": 1,
      "title": "Payment Intent Id",
      "type": "string"
     },
     "payment_method": {
      "anyOf": [
       {
        "pattern": "^[A-Za-z0-9_]{1,100}$",
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "description": "left out: the one that the payment has",
      "title": "Payment Method"
     },
     "return_url": {
      "anyOf": [
       {
        "maxLength": 2000,
        "pattern": "^https?://[^\\s]+$",
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "description": "where the payer's bank sends them back to; default: this app",
      "title": "Return Url"
     }
    },
    "required": [
     "payment_intent_id"
    ],
    "title": "ConfirmRequest",
    "type": "object"
   },
   "CustomerChange": {
    "properties": {
     "email": {
      "anyOf": [
       {
        "maxLength": 254,
        "pattern": "^[^@\\s]+@[^@\\s]+\\.[^@\\s.]+$",
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Email"
     },
     "metadata": {
      "anyOf": [
       {
        "additionalProperties": {
         "type": "string"
        },
        "type": "object"
       },
       {
        "type": "null"
       }
      ],
      "description": "merged with what is there; an empty value removes its name",
      "title": "Metadata"
     },
     "name": {
      "anyOf": [
       {
        "maxLength": 256,
        "minLength": 1,
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Name"
     }
    },
    "title": "CustomerChange",
    "type": "object"
   },
   "CustomerOnly": {
    "properties": {
     "customer_id": {
      "anyOf": [
       {
        "maxLength": 64,
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "description": "yours when left out; another's needs an administrator",
      "title": "Customer Id"
     }
    },
    "title": "CustomerOnly",
    "type": "object"
   },
   "CustomerRequest": {
    "properties": {
     "email": {
      "maxLength": 254,
      "pattern": "^[^@\\s]+@[^@\\s]+\\.[^@\\s.]+$",
      "title": "Email",
      "type": "string"
     },
     "metadata": {
      "additionalProperties": {
       "type": "string"
      },
      "default": {},
      "title": "Metadata",
      "type": "object"
     },
     "name": {
      "anyOf": [
       {
        "maxLength": 256,
        "minLength": 1,
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Name"
     }
    },
    "required": [
     "email"
    ],
    "title": "CustomerRequest",
    "type": "object"
   },
   "CustomerResponse": {
    "properties": {
     "created_at": {
      "title": "Created At",
      "type": "string"
     },
     "email": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Email"
     },
     "id": {
      "title": "Id",
      "type": "string"
     },
     "metadata": {
      "additionalProperties": {
       "type": "string"
      },
      "title": "Metadata",
      "type": "object"
     },
     "name": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Name"
     }
    },
    "required": [
     "id",
     "email",
     "name",
     "metadata",
     "created_at"
    ],
    "title": "CustomerResponse",
    "type": "object"
   },
   "DeletionRequest": {
    "properties": {
     "password": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "description": "asked for where the account has one",
      "title": "Password"
     }
    },
    "title": "DeletionRequest",
    "type": "object"
   },
   "EventList": {
    "properties": {
     "items": {
      "items": {
       "$ref": "#/components/schemas/EventResponse"
      },
      "title": "Items",
      "type": "array"
     },
     "next_cursor": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Next Cursor"
     }
    },
    "required": [
     "items",
     "next_cursor"
    ],
    "title": "EventList",
    "type": "object"
   },
   "EventResponse": {
    "properties": {
     "api_version": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Api Version"
     },
     "attempts": {
      "title": "Attempts",
      "type": "integer"
     },
     "created_at": {
      "title": "Created At",
      "type": "string"
     },
     "error": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Error"
     },
     "id": {
      "title": "Id",
      "type": "string"
     },
     "object_id": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Object Id"
     },
     "processed_at": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Processed At"
     },
     "received_at": {
      "title": "Received At",
      "type": "string"
     },
     "status": {
      "enum": [
       "received",
       "processed",
       "failed",
       "ignored"
      ],
      "title": "Status",
      "type": "string"
     },
     "type": {
      "title": "Type",
      "type": "string"
     }
    },
    "required": [
     "id",
     "type",
     "status",
     "attempts",
     "error",
     "object_id",
     "api_version",
     "created_at",
     "received_at",
     "processed_at"
    ],
    "title": "EventResponse",
    "type": "object"
   },
   "FiguresResponse": {
    "description": "What a service has counted of itself.",
    "properties": {
     "as_of": {
      "title": "As Of",
      "type": "string"
     },
     "difference": {
      "additionalProperties": {
       "type": "integer"
      },
      "description": "by how much in all",
      "title": "Difference",
      "type": "object"
     },
     "drifted": {
      "description": "how many owners that recount found miscounted, and mended",
      "title": "Drifted",
      "type": "integer"
     },
     "figures": {
      "additionalProperties": {
       "type": "integer"
      },
      "description": "by name; sums of money are in the currency's minor units, and AI cost in micro-dollars",
      "title": "Figures",
      "type": "object"
     },
     "recounted_at": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "description": "when everything was last counted anew",
      "title": "Recounted At"
     }
    },
    "required": [
     "figures",
     "as_of",
     "recounted_at",
     "drifted",
     "difference"
    ],
    "title": "FiguresResponse",
    "type": "object"
   },
   "FileChange": {
    "properties": {
     "filename": {
      "anyOf": [
       {
        "maxLength": 4096,
        "minLength": 1,
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Filename"
     },
     "metadata": {
      "anyOf": [
       {
        "additionalProperties": true,
        "type": "object"
       },
       {
        "type": "null"
       }
      ],
      "title": "Metadata"
     }
    },
    "title": "FileChange",
    "type": "object"
   },
   "FileList": {
    "properties": {
     "items": {
      "items": {
       "$ref": "#/components/schemas/FileResponse"
      },
      "title": "Items",
      "type": "array"
     },
     "next_cursor": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Next Cursor"
     }
    },
    "required": [
     "items",
     "next_cursor"
    ],
    "title": "FileList",
    "type": "object"
   },
   "FileResponse": {
    "properties": {
     "content_type": {
      "title": "Content Type",
      "type": "string"
     },
     "created_at": {
      "title": "Created At",
      "type": "string"
     },
     "deleted_at": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Deleted At"
     },
     "etag": {
      "description": "the record's; what If-Match of a change compares",
      "title": "Etag",
      "type": "string"
     },
     "filename": {
      "title": "Filename",
      "type": "string"
     },
     "folder": {
      "title": "Folder",
      "type": "string"
     },
     "id": {
      "title": "Id",
      "type": "string"
     },
     "image": {
      "anyOf": [
       {
        "$ref": "#/components/schemas/ImageResponse"
       },
       {
        "type": "null"
       }
      ]
     },
     "metadata": {
      "additionalProperties": true,
      "title": "Metadata",
      "type": "object"
     },
     "owner_id": {
      "title": "Owner Id",
      "type": "string"
     },
     "sha256": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Sha256"
     },
     "size": {
      "title": "Size",
      "type": "integer"
     },
     "status": {
      "enum": [
       "active",
       "deleted"
      ],
      "title": "Status",
      "type": "string"
     },
     "updated_at": {
      "title": "Updated At",
      "type": "string"
     },
     "url": {
      "title": "Url",
      "type": "string"
     }
    },
    "required": [
     "id",
     "filename",
     "content_type",
     "size",
     "sha256",
     "etag",
     "status",
     "folder",
     "metadata",
     "owner_id",
     "created_at",
     "updated_at",
     "deleted_at",
     "url",
     "image"
    ],
    "title": "FileResponse",
    "type": "object"
   },
   "ForgotPasswordRequest": {
    "properties": {
     "email": {
      "title": "Email",
      "type": "string"
     }
    },
    "required": [
     "email"
    ],
    "title": "ForgotPasswordRequest",
    "type": "object"
   },
   "HealthResponse": {
    "description": "Of every app that shares this storage.",
    "properties": {
     "dependencies": {
      "additionalProperties": {
       "$ref": "#/components/schemas/ProbeResponse"
      },
      "title": "Dependencies",
      "type": "object"
     },
     "services": {
      "additionalProperties": {
       "$ref": "#/components/schemas/ProbeResponse"
      },
      "description": "a service is as well as what it needs; one that is not configured is left out",
      "title": "Services",
      "type": "object"
     },
     "status": {
      "description": "the worst of the services",
      "enum": [
       "ok",
       "degraded",
       "down",
       "no_data"
      ],
      "title": "Status",
      "type": "string"
     }
    },
    "required": [
     "status",
     "services",
     "dependencies"
    ],
    "title": "HealthResponse",
    "type": "object"
   },
   "HistoryResponse": {
    "description": "Column by column: `series[name][i]` is the figure at `at[i]`, null where there was none.",
    "properties": {
     "at": {
      "items": {
       "type": "string"
      },
      "title": "At",
      "type": "array"
     },
     "resolution": {
      "enum": [
       "5m",
       "1h",
       "1d"
      ],
      "title": "Resolution",
      "type": "string"
     },
     "series": {
      "additionalProperties": {
       "items": {
        "anyOf": [
         {
          "type": "integer"
         },
         {
          "type": "null"
         }
        ]
       },
       "type": "array"
      },
      "title": "Series",
      "type": "object"
     },
     "step_seconds": {
      "title": "Step Seconds",
      "type": "integer"
     }
    },
    "required": [
     "resolution",
     "step_seconds",
     "at",
     "series"
    ],
    "title": "HistoryResponse",
    "type": "object"
   },
   "HostedPageResponse": {
    "properties": {
     "url": {
      "title": "Url",
      "type": "string"
     }
    },
    "required": [
     "url"
    ],
    "title": "HostedPageResponse",
    "type": "object"
   },
   "ImageResponse": {
    "properties": {
     "error": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Error"
     },
     "height": {
      "anyOf": [
       {
        "type": "integer"
       },
       {
        "type": "null"
       }
      ],
      "title": "Height"
     },
     "saved_bytes": {
      "anyOf": [
       {
        "type": "integer"
       },
       {
        "type": "null"
       }
      ],
      "description": "original minus optimized",
      "title": "Saved Bytes"
     },
     "status": {
      "enum": [
       "pending",
       "ready",
       "failed"
      ],
      "title": "Status",
      "type": "string"
     },
     "variants": {
      "additionalProperties": {
       "$ref": "#/components/schemas/VariantResponse"
      },
      "title": "Variants",
      "type": "object"
     },
     "width": {
      "anyOf": [
       {
        "type": "integer"
       },
       {
        "type": "null"
       }
      ],
      "title": "Width"
     }
    },
    "required": [
     "status",
     "width",
     "height",
     "error",
     "variants",
     "saved_bytes"
    ],
    "title": "ImageResponse",
    "type": "object"
   },
   "IncidentResponse": {
    "properties": {
     "check": {
      "title": "Check",
      "type": "string"
     },
     "detail": {
      "title": "Detail",
      "type": "string"
     },
     "ended_at": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "description": "null while it goes on",
      "title": "Ended At"
     },
     "kind": {
      "enum": [
       "dependency",
       "service"
      ],
      "title": "Kind",
      "type": "string"
     },
     "started_at": {
      "title": "Started At",
      "type": "string"
     }
    },
    "required": [
     "check",
     "kind",
     "started_at",
     "ended_at",
     "detail"
    ],
    "title": "IncidentResponse",
    "type": "object"
   },
   "InvoiceList": {
    "properties": {
     "items": {
      "items": {
       "$ref": "#/components/schemas/InvoiceResponse"
      },
      "title": "Items",
      "type": "array"
     },
     "next_cursor": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Next Cursor"
     }
    },
    "required": [
     "items",
     "next_cursor"
    ],
    "title": "InvoiceList",
    "type": "object"
   },
   "InvoiceResponse": {
    "properties": {
     "amount": {
      "title": "Amount",
      "type": "string"
     },
     "amount_due": {
      "title": "Amount Due",
      "type": "string"
     },
     "amount_minor": {
      "title": "Amount Minor",
      "type": "integer"
     },
     "amount_paid": {
      "title": "Amount Paid",
      "type": "string"
     },
     "created_at": {
      "title": "Created At",
      "type": "string"
     },
     "currency": {
      "title": "Currency",
      "type": "string"
     },
     "customer_id": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Customer Id"
     },
     "hosted_invoice_url": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Hosted Invoice Url"
     },
     "id": {
      "title": "Id",
      "type": "string"
     },
     "invoice_pdf": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Invoice Pdf"
     },
     "number": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Number"
     },
     "period_end": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Period End"
     },
     "period_start": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Period Start"
     },
     "status": {
      "title": "Status",
      "type": "string"
     },
     "subscription_id": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Subscription Id"
     }
    },
    "required": [
     "id",
     "number",
     "customer_id",
     "subscription_id",
     "status",
     "amount",
     "amount_minor",
     "amount_paid",
     "amount_due",
     "currency",
     "hosted_invoice_url",
     "invoice_pdf",
     "period_start",
     "period_end",
     "created_at"
    ],
    "title": "InvoiceResponse",
    "type": "object"
   },
   "LoginRequest": {
    "properties": {
     "email": {
      "title": "Email",
      "type": "string"
     },
     "password": {
      "title": "Password",
      "type": "string"
     }
    },
    "required": [
     "email",
     "password"
    ],
    "title": "LoginRequest",
    "type": "object"
   },
   "MethodList": {
    "properties": {
     "items": {
      "items": {
       "$ref": "#/components/schemas/MethodResponse"
      },
      "title": "Items",
      "type": "array"
     },
     "next_cursor": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Next Cursor"
     }
    },
    "required": [
     "items",
     "next_cursor"
    ],
    "title": "MethodList",
    "type": "object"
   },
   "MethodResponse": {
    "properties": {
     "brand": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Brand"
     },
     "created_at": {
      "title": "Created At",
      "type": "string"
     },
     "exp_month": {
      "anyOf": [
       {
        "type": "integer"
       },
       {
        "type": "null"
       }
      ],
      "title": "Exp Month"
     },
     "exp_year": {
      "anyOf": [
       {
        "type": "integer"
       },
       {
        "type": "null"
       }
      ],
      "title": "Exp Year"
     },
     "id": {
      "title": "Id",
      "type": "string"
     },
     "last4": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Last4"
     },
     "type": {
      "title": "Type",
      "type": "string"
     }
    },
    "required": [
     "id",
     "type",
     "brand",
     "last4",
     "exp_month",
     "exp_year",
     "created_at"
    ],
    "title": "MethodResponse",
    "type": "object"
   },
   "MfaLoginRequest": {
    "properties": {
     "code": {
      "description": "the app's code, or a recovery code",
      "maxLength": 100,
      "title": "Code",
      "type": "string"
     },
     "mfa_token": {
      "maxLength": 200,
      "title": "Mfa Token",
      "type": "string"
     }
    },
    "required": [
     "mfa_token",
     "code"
    ],
    "title": "MfaLoginRequest",
    "type": "object"
   },
   "MultipleUploadResponse": {
    "properties": {
     "errors": {
      "items": {
       "$ref": "#/components/schemas/UploadError"
      },
      "title": "Errors",
      "type": "array"
     },
     "items": {
      "items": {
       "$ref": "#/components/schemas/FileResponse"
      },
      "title": "Items",
      "type": "array"
     }
    },
    "required": [
     "items",
     "errors"
    ],
    "title": "MultipleUploadResponse",
    "type": "object"
   },
   "NewApiKeyResponse": {
    "properties": {
     "ai": {
      "anyOf": [
       {
        "$ref": "#/components/schemas/AiLimitsResponse"
       },
       {
        "type": "null"
       }
      ]
     },
     "created_at": {
      "title": "Created At",
      "type": "string"
     },
     "expires_at": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Expires At"
     },
     "hint": {
      "description": "the key's last four characters, to tell it from others",
      "title": "Hint",
      "type": "string"
     },
     "id": {
      "title": "Id",
      "type": "string"
     },
     "key": {
      "description": "the key itself, shown here only",
      "title": "Key",
      "type": "string"
     },
     "last_used_at": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "description": "to within about a minute",
      "title": "Last Used At"
     },
     "name": {
      "title": "Name",
      "type": "string"
     },
     "scopes": {
      "items": {
       "enum": [
        "ai",
        "chat",
        "files",
        "payments",
        "monitoring"
       ],
       "type": "string"
      },
      "title": "Scopes",
      "type": "array"
     }
    },
    "required": [
     "id",
     "name",
     "scopes",
     "hint",
     "created_at",
     "expires_at",
     "last_used_at",
     "key"
    ],
    "title": "NewApiKeyResponse",
    "type": "object"
   },
   "NewShareResponse": {
    "properties": {
     "created_at": {
      "title": "Created At",
      "type": "string"
     },
     "downloads": {
      "title": "Downloads",
      "type": "integer"
     },
     "expires_at": {
      "title": "Expires At",
      "type": "string"
     },
     "file_id": {
      "title": "File Id",
      "type": "string"
     },
     "has_password": {
      "title": "Has Password",
      "type": "boolean"
     },
     "id": {
      "title": "Id",
      "type": "string"
     },
     "last_access_at": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Last Access At"
     },
     "max_downloads": {
      "anyOf": [
       {
        "type": "integer"
       },
       {
        "type": "null"
       }
      ],
      "title": "Max Downloads"
     },
     "revoked": {
      "title": "Revoked",
      "type": "boolean"
     },
     "token": {
      "description": "shown here only",
      "title": "Token",
      "type": "string"
     },
     "url": {
      "title": "Url",
      "type": "string"
     }
    },
    "required": [
     "id",
     "file_id",
     "created_at",
     "expires_at",
     "max_downloads",
     "downloads",
     "last_access_at",
     "has_password",
     "revoked",
     "token",
     "url"
    ],
    "title": "NewShareResponse",
    "type": "object"
   },
   "NewSubscriptionResponse": {
    "properties": {
     "amount": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "description": "of one, each interval",
      "title": "Amount"
     },
     "amount_minor": {
      "anyOf": [
       {
        "type": "integer"
       },
       {
        "type": "null"
       }
      ],
      "title": "Amount Minor"
     },
     "cancel_at_period_end": {
      "title": "Cancel At Period End",
      "type": "boolean"
     },
     "canceled_at": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Canceled At"
     },
     "client_secret": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "description": "confirms the first payment of an `incomplete` subscription",
      "title": "Client Secret"
     },
     "created_at": {
      "title": "Created At",
      "type": "string"
     },
     "currency": {
      "title": "Currency",
      "type": "string"
     },
     "current_period_end": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Current Period End"
     },
     "customer_id": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Customer Id"
     },
     "id": {
      "title": "Id",
      "type": "string"
     },
     "interval": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Interval"
     },
     "metadata": {
      "additionalProperties": {
       "type": "string"
      },
      "title": "Metadata",
      "type": "object"
     },
     "price_id": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Price Id"
     },
     "product_id": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Product Id"
     },
     "quantity": {
      "anyOf": [
       {
        "type": "integer"
       },
       {
        "type": "null"
       }
      ],
      "title": "Quantity"
     },
     "status": {
      "enum": [
       "incomplete",
       "incomplete_expired",
       "trialing",
       "active",
       "past_due",
       "canceled",
       "unpaid",
       "paused"
      ],
      "title": "Status",
      "type": "string"
     },
     "trial_end": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Trial End"
     }
    },
    "required": [
     "id",
     "customer_id",
     "status",
     "price_id",
     "product_id",
     "quantity",
     "amount",
     "amount_minor",
     "currency",
     "interval",
     "current_period_end",
     "cancel_at_period_end",
     "canceled_at",
     "trial_end",
     "metadata",
     "created_at",
     "client_secret"
    ],
    "title": "NewSubscriptionResponse",
    "type": "object"
   },
   "OutboxList": {
    "properties": {
     "items": {
      "items": {
       "$ref": "#/components/schemas/OutboxMail"
      },
      "title": "Items",
      "type": "array"
     },
     "next_cursor": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Next Cursor"
     }
    },
    "required": [
     "items",
     "next_cursor"
    ],
    "title": "OutboxList",
    "type": "object"
   },
   "OutboxMail": {
    "properties": {
     "created_at": {
      "title": "Created At",
      "type": "string"
     },
     "html": {
      "title": "Html",
      "type": "string"
     },
     "status": {
      "title": "Status",
      "type": "string"
     },
     "subject": {
      "title": "Subject",
      "type": "string"
     },
     "template": {
      "title": "Template",
      "type": "string"
     },
     "text": {
      "title": "Text",
      "type": "string"
     },
     "to": {
      "title": "To",
      "type": "string"
     }
    },
    "required": [
     "to",
     "subject",
     "template",
     "text",
     "html",
     "created_at",
     "status"
    ],
    "title": "OutboxMail",
    "type": "object"
   },
   "PaymentList": {
    "properties": {
     "items": {
      "items": {
       "$ref": "#/components/schemas/PaymentResponse"
      },
      "title": "Items",
      "type": "array"
     },
     "next_cursor": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Next Cursor"
     }
    },
    "required": [
     "items",
     "next_cursor"
    ],
    "title": "PaymentList",
    "type": "object"
   },
   "PaymentRequest": {
    "properties": {
     "amount": {
      "anyOf": [
       {
        "pattern": "^[0-9]+(\\.[0-9]+)?$",
        "type": "string"
       },
       {
        "exclusiveMinimum": 0.0,
        "type": "number"
       }
      ],
      "description": "major units, exactly as written: `49.99`",
      "examples": [
       "49.99"
      ],
      "title": "Amount"
     },
     "currency": {
      "anyOf": [
       {
        "description": "ISO 4217, e.g. `eur`",
        "maxLength": 3,
        "minLength": 3,
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Currency"
     },
     "customer_id": {
      "anyOf": [
       {
        "maxLength": 64,
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "description": "yours when left out; another's needs an administrator",
      "title": "Customer Id"
     },
     "description": {
      "anyOf": [
       {
        "maxLength": 1000,
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Description"
     },
     "metadata": {
      "additionalProperties": {
       "type": "string"
      },
      "default": {},
      "title": "Metadata",
      "type": "object"
     },
     "receipt_email": {
      "anyOf": [
       {
        "maxLength": 254,
        "pattern": "^[^@\\s]+@[^@\\s]+\\.[^@\\s.]+$",
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Receipt Email"
     }
    },
    "required": [
     "amount"
    ],
    "title": "PaymentRequest",
    "type": "object"
   },
   "PaymentResponse": {
    "properties": {
     "amount": {
      "title": "Amount",
      "type": "string"
     },
     "amount_minor": {
      "title": "Amount Minor",
      "type": "integer"
     },
     "amount_refunded": {
      "title": "Amount Refunded",
      "type": "string"
     },
     "client_secret": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "description": "for Stripe.js; given to the payment's owner only",
      "title": "Client Secret"
     },
     "created_at": {
      "title": "Created At",
      "type": "string"
     },
     "currency": {
      "title": "Currency",
      "type": "string"
     },
     "customer_id": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Customer Id"
     },
     "id": {
      "title": "Id",
      "type": "string"
     },
     "last_error": {
      "anyOf": [
       {
        "additionalProperties": {
         "type": "string"
        },
        "type": "object"
       },
       {
        "type": "null"
       }
      ],
      "description": "`code`, `decline_code`, `message` of the last attempt that failed",
      "title": "Last Error"
     },
     "metadata": {
      "additionalProperties": {
       "type": "string"
      },
      "title": "Metadata",
      "type": "object"
     },
     "next_action": {
      "anyOf": [
       {
        "additionalProperties": true,
        "type": "object"
       },
       {
        "type": "null"
       }
      ],
      "description": "`type`, and `redirect_to_url` where the payer must be sent",
      "title": "Next Action"
     },
     "status": {
      "enum": [
       "requires_payment_method",
       "requires_confirmation",
       "requires_action",
       "processing",
       "requires_capture",
       "canceled",
       "succeeded"
      ],
      "title": "Status",
      "type": "string"
     }
    },
    "required": [
     "id",
     "client_secret",
     "amount",
     "amount_minor",
     "amount_refunded",
     "currency",
     "status",
     "customer_id",
     "metadata",
     "next_action",
     "last_error",
     "created_at"
    ],
    "title": "PaymentResponse",
    "type": "object"
   },
   "PortalRequest": {
    "properties": {
     "customer_id": {
      "anyOf": [
       {
        "maxLength": 64,
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "description": "yours when left out; another's needs an administrator",
      "title": "Customer Id"
     },
     "return_url": {
      "anyOf": [
       {
        "maxLength": 2000,
        "pattern": "^https?://[^\\s]+$",
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Return Url"
     }
    },
    "title": "PortalRequest",
    "type": "object"
   },
   "PriceResponse": {
    "properties": {
     "amount": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Amount"
     },
     "amount_minor": {
      "anyOf": [
       {
        "type": "integer"
       },
       {
        "type": "null"
       }
      ],
      "title": "Amount Minor"
     },
     "currency": {
      "title": "Currency",
      "type": "string"
     },
     "id": {
      "title": "Id",
      "type": "string"
     },
     "interval": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "description": "null: paid once",
      "title": "Interval"
     },
     "interval_count": {
      "anyOf": [
       {
        "type": "integer"
       },
       {
        "type": "null"
       }
      ],
      "title": "Interval Count"
     },
     "product": {
      "description": "the product's name",
      "title": "Product",
      "type": "string"
     },
     "product_id": {
      "title": "Product Id",
      "type": "string"
     }
    },
    "required": [
     "id",
     "product",
     "product_id",
     "amount",
     "amount_minor",
     "currency",
     "interval",
     "interval_count"
    ],
    "title": "PriceResponse",
    "type": "object"
   },
   "ProbeResponse": {
    "properties": {
     "detail": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Detail"
     },
     "down_since": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "description": "since when an incident has been open",
      "title": "Down Since"
     },
     "latency_ms": {
      "anyOf": [
       {
        "type": "number"
       },
       {
        "type": "null"
       }
      ],
      "title": "Latency Ms"
     },
     "probed_at": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Probed At"
     },
     "status": {
      "description": "by the last probe; `no_data` when nobody has looked for three minutes",
      "enum": [
       "ok",
       "degraded",
       "down",
       "no_data"
      ],
      "title": "Status",
      "type": "string"
     }
    },
    "required": [
     "status",
     "probed_at",
     "latency_ms",
     "detail",
     "down_since"
    ],
    "title": "ProbeResponse",
    "type": "object"
   },
   "Problem": {
    "description": "RFC 9457 problem details",
    "properties": {
     "code": {
      "description": "a stable slug, such as `file_too_large`",
      "type": "string"
     },
     "detail": {
      "type": "string"
     },
     "errors": {
      "items": {
       "properties": {
        "loc": {
         "items": {},
         "type": "array"
        },
        "msg": {
         "type": "string"
        },
        "type": {
         "type": "string"
        }
       },
       "type": "object"
      },
      "type": "array"
     },
     "instance": {
      "type": "string"
     },
     "request_id": {
      "type": "string"
     },
     "status": {
      "type": "integer"
     },
     "title": {
      "type": "string"
     },
     "type": {
      "type": "string"
     }
    },
    "required": [
     "type",
     "title",
     "status",
     "detail",
     "instance",
     "code",
     "request_id"
    ],
    "type": "object"
   },
   "ProfileChange": {
    "properties": {
     "name": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Name"
     }
    },
    "title": "ProfileChange",
    "type": "object"
   },
   "QueueList": {
    "properties": {
     "items": {
      "items": {
       "$ref": "#/components/schemas/QueueResponse"
      },
      "title": "Items",
      "type": "array"
     },
     "next_cursor": {
      "description": "always null: all are shown",
      "title": "Next Cursor",
      "type": "null"
     }
    },
    "required": [
     "items"
    ],
    "title": "QueueList",
    "type": "object"
   },
   "QueueResponse": {
    "properties": {
     "length": {
      "description": "about how many messages wait, or are being handled",
      "title": "Length",
      "type": "integer"
     },
     "name": {
      "title": "Name",
      "type": "string"
     },
     "oldest_poison_at": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Oldest Poison At"
     },
     "poison_kinds": {
      "additionalProperties": {
       "type": "integer"
      },
      "description": "what the first 32 of those ask for",
      "title": "Poison Kinds",
      "type": "object"
     },
     "poison_length": {
      "description": "about how many were given up on",
      "title": "Poison Length",
      "type": "integer"
     }
    },
    "required": [
     "name",
     "length",
     "poison_length",
     "oldest_poison_at",
     "poison_kinds"
    ],
    "title": "QueueResponse",
    "type": "object"
   },
   "ReceivedResponse": {
    "properties": {
     "duplicate": {
      "title": "Duplicate",
      "type": "boolean"
     },
     "received": {
      "const": true,
      "default": true,
      "title": "Received",
      "type": "boolean"
     }
    },
    "required": [
     "duplicate"
    ],
    "title": "ReceivedResponse",
    "type": "object"
   },
   "RecoveryCodesResponse": {
    "properties": {
     "recovery_codes": {
      "description": "each works once, in place of a code; shown here only",
      "items": {
       "type": "string"
      },
      "title": "Recovery Codes",
      "type": "array"
     }
    },
    "required": [
     "recovery_codes"
    ],
    "title": "RecoveryCodesResponse",
    "type": "object"
   },
   "RefreshRequest": {
    "properties": {
     "refresh_token": {
      "title": "Refresh Token",
      "type": "string"
     }
    },
    "required": [
     "refresh_token"
    ],
    "title": "RefreshRequest",
    "type": "object"
   },
   "RefundList": {
    "properties": {
     "items": {
      "items": {
       "$ref": "#/components/schemas/RefundResponse"
      },
      "title": "Items",
      "type": "array"
     },
     "next_cursor": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Next Cursor"
     }
    },
    "required": [
     "items",
     "next_cursor"
    ],
    "title": "RefundList",
    "type": "object"
   },
   "RefundRequest": {
    "properties": {
     "amount": {
      "anyOf": [
       {
        "anyOf": [
         {
          "pattern": "^[0-9]+(\\.[0-9]+)?$",
          "type": "string"
         },
         {
          "exclusiveMinimum": 0.0,
          "type": "number"
         }
        ],
        "description": "major units, exactly as written: `49.99`",
        "examples": [
         "49.99"
        ]
       },
       {
        "type": "null"
       }
      ],
      "description": "left out: all that is left",
      "title": "Amount"
     },
     "payment_intent_id": {
      "maxLength": 64,
      "minLength": 1,
      "title": "Payment Intent Id",
      "type": "string"
     },
     "reason": {
      "anyOf": [
       {
        "enum": [
         "duplicate",
         "fraudulent",
         "requested_by_customer"
        ],
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Reason"
     }
    },
    "required": [
     "payment_intent_id"
    ],
    "title": "RefundRequest",
    "type": "object"
   },
   "RefundResponse": {
    "properties": {
     "amount": {
      "title": "Amount",
      "type": "string"
     },
     "amount_minor": {
      "title": "Amount Minor",
      "type": "integer"
     },
     "created_at": {
      "title": "Created At",
      "type": "string"
     },
     "currency": {
      "title": "Currency",
      "type": "string"
     },
     "id": {
      "title": "Id",
      "type": "string"
     },
     "payment_intent_id": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Payment Intent Id"
     },
     "reason": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Reason"
     },
     "status": {
      "title": "Status",
      "type": "string"
     }
    },
    "required": [
     "id",
     "payment_intent_id",
     "amount",
     "amount_minor",
     "currency",
     "status",
     "reason",
     "created_at"
    ],
    "title": "RefundResponse",
    "type": "object"
   },
   "RegisterRequest": {
    "properties": {
     "email": {
      "maxLength": 320,
      "title": "Email",
      "type": "string"
     },
     "name": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Name"
     },
     "password": {
      "description": "10 to 128 characters",
      "title": "Password",
      "type": "string"
     }
    },
    "required": [
     "email",
     "password"
    ],
    "title": "RegisterRequest",
    "type": "object"
   },
   "ReplayResponse": {
    "properties": {
     "left": {
      "description": "about how many are still there; call again to go on",
      "title": "Left",
      "type": "integer"
     },
     "moved": {
      "title": "Moved",
      "type": "integer"
     },
     "queue": {
      "title": "Queue",
      "type": "string"
     }
    },
    "required": [
     "queue",
     "moved",
     "left"
    ],
    "title": "ReplayResponse",
    "type": "object"
   },
   "ReportResponse": {
    "properties": {
     "checked": {
      "additionalProperties": {
       "type": "integer"
      },
      "description": "objects of Stripe that were compared, by kind",
      "title": "Checked",
      "type": "object"
     },
     "drift": {
      "description": "the first of them: kind, id, fields and reason",
      "items": {
       "additionalProperties": true,
       "type": "object"
      },
      "title": "Drift",
      "type": "array"
     },
     "drifted": {
      "description": "objects that differed, all of them repaired",
      "title": "Drifted",
      "type": "integer"
     },
     "finished": {
      "title": "Finished",
      "type": "boolean"
     },
     "finished_at": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Finished At"
     },
     "started_at": {
      "title": "Started At",
      "type": "string"
     }
    },
    "required": [
     "started_at",
     "finished_at",
     "finished",
     "checked",
     "drifted",
     "drift"
    ],
    "title": "ReportResponse",
    "type": "object"
   },
   "ResetPasswordRequest": {
    "properties": {
     "password": {
      "description": "10 to 128 characters",
      "title": "Password",
      "type": "string"
     },
     "token": {
      "description": "`token` of the link in the mail",
      "title": "Token",
      "type": "string"
     }
    },
    "required": [
     "token",
     "password"
    ],
    "title": "ResetPasswordRequest",
    "type": "object"
   },
   "SeriesPoint": {
    "properties": {
     "at": {
      "title": "At",
      "type": "string"
     },
     "down": {
      "title": "Down",
      "type": "integer"
     },
     "latency_ms": {
      "anyOf": [
       {
        "type": "number"
       },
       {
        "type": "null"
       }
      ],
      "description": "mean of the samples that were answered",
      "title": "Latency Ms"
     },
     "no_data": {
      "description": "minutes that nobody sampled",
      "title": "No Data",
      "type": "integer"
     },
     "up": {
      "description": "samples that were ok or degraded; one a minute",
      "title": "Up",
      "type": "integer"
     }
    },
    "required": [
     "at",
     "up",
     "down",
     "no_data",
     "latency_ms"
    ],
    "title": "SeriesPoint",
    "type": "object"
   },
   "SessionList": {
    "properties": {
     "items": {
      "items": {
       "$ref": "#/components/schemas/SessionResponse"
      },
      "title": "Items",
      "type": "array"
     },
     "next_cursor": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Next Cursor"
     }
    },
    "required": [
     "items",
     "next_cursor"
    ],
    "title": "SessionList",
    "type": "object"
   },
   "SessionResponse": {
    "properties": {
     "address": {
      "title": "Address",
      "type": "string"
     },
     "created_at": {
      "title": "Created At",
      "type": "string"
     },
     "current": {
      "title": "Current",
      "type": "boolean"
     },
     "device": {
      "description": "what the user agent tells of the device, for people",
      "title": "Device",
      "type": "string"
     },
     "id": {
      "title": "Id",
      "type": "string"
     },
     "last_used_at": {
      "title": "Last Used At",
      "type": "string"
     },
     "user_agent": {
      "title": "User Agent",
      "type": "string"
     }
    },
    "required": [
     "id",
     "user_agent",
     "device",
     "address",
     "created_at",
     "last_used_at",
     "current"
    ],
    "title": "SessionResponse",
    "type": "object"
   },
   "SetupResponse": {
    "properties": {
     "client_secret": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Client Secret"
     },
     "customer_id": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Customer Id"
     },
     "id": {
      "title": "Id",
      "type": "string"
     },
     "status": {
      "title": "Status",
      "type": "string"
     }
    },
    "required": [
     "id",
     "client_secret",
     "status",
     "customer_id"
    ],
    "title": "SetupResponse",
    "type": "object"
   },
   "ShareList": {
    "properties": {
     "items": {
      "items": {
       "$ref": "#/components/schemas/ShareResponse"
      },
      "title": "Items",
      "type": "array"
     },
     "next_cursor": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Next Cursor"
     }
    },
    "required": [
     "items",
     "next_cursor"
    ],
    "title": "ShareList",
    "type": "object"
   },
   "ShareRequest": {
    "properties": {
     "expires_in": {
      "default": 3600,
      "description": "seconds",
      "maximum": 604800.0,
      "minimum": 60.0,
      "title": "Expires In",
      "type": "integer"
     },
     "max_downloads": {
      "anyOf": [
       {
        "maximum": 1000000000.0,
        "minimum": 1.0,
        "type": "integer"
       },
       {
        "type": "null"
       }
      ],
      "title": "Max Downloads"
     },
     "password": {
      "anyOf": [
       {
        "maxLength": 128,
        "minLength": 1,
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Password"
     }
    },
    "title": "ShareRequest",
    "type": "object"
   },
   "ShareResponse": {
    "properties": {
     "created_at": {
      "title": "Created At",
      "type": "string"
     },
     "downloads": {
      "title": "Downloads",
      "type": "integer"
     },
     "expires_at": {
      "title": "Expires At",
      "type": "string"
     },
     "file_id": {
      "title": "File Id",
      "type": "string"
     },
     "has_password": {
      "title": "Has Password",
      "type": "boolean"
     },
     "id": {
      "title": "Id",
      "type": "string"
     },
     "last_access_at": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Last Access At"
     },
     "max_downloads": {
      "anyOf": [
       {
        "type": "integer"
       },
       {
        "type": "null"
       }
      ],
      "title": "Max Downloads"
     },
     "revoked": {
      "title": "Revoked",
      "type": "boolean"
     }
    },
    "required": [
     "id",
     "file_id",
     "created_at",
     "expires_at",
     "max_downloads",
     "downloads",
     "last_access_at",
     "has_password",
     "revoked"
    ],
    "title": "ShareResponse",
    "type": "object"
   },
   "StatisticsResponse": {
    "properties": {
     "history": {
      "$ref": "#/components/schemas/HistoryResponse"
     },
     "latest": {
      "additionalProperties": {
       "anyOf": [
        {
         "$ref": "#/components/schemas/FiguresResponse"
        },
        {
         "type": "null"
        }
       ]
      },
      "description": "by service, as of its last roll-up; null before the first",
      "title": "Latest",
      "type": "object"
     }
    },
    "required": [
     "latest",
     "history"
    ],
    "title": "StatisticsResponse",
    "type": "object"
   },
   "SubscriptionChange": {
    "properties": {
     "metadata": {
      "anyOf": [
       {
        "additionalProperties": {
         "type": "string"
        },
        "type": "object"
       },
       {
        "type": "null"
       }
      ],
      "title": "Metadata"
     },
     "price_id": {
      "anyOf": [
       {
        "maxLength": 64,
        "minLength": 1,
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Price Id"
     },
     "proration_behavior": {
      "anyOf": [
       {
        "enum": [
         "create_prorations",
         "always_invoice",
         "none"
        ],
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Proration Behavior"
     },
     "quantity": {
      "anyOf": [
       {
        "maximum": 1000000.0,
        "minimum": 1.0,
        "type": "integer"
       },
       {
        "type": "null"
       }
      ],
      "title": "Quantity"
     }
    },
    "title": "SubscriptionChange",
    "type": "object"
   },
   "SubscriptionList": {
    "properties": {
     "items": {
      "items": {
       "$ref": "#/components/schemas/SubscriptionResponse"
      },
      "title": "Items",
      "type": "array"
     },
     "next_cursor": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Next Cursor"
     }
    },
    "required": [
     "items",
     "next_cursor"
    ],
    "title": "SubscriptionList",
    "type": "object"
   },
   "SubscriptionRequest": {
    "properties": {
     "customer_id": {
      "anyOf": [
       {
        "maxLength": 64,
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "description": "yours when left out; another's needs an administrator",
      "title": "Customer Id"
     },
     "metadata": {
      "additionalProperties": {
       "type": "string"
      },
      "default": {},
      "title": "Metadata",
      "type": "object"
     },
     "price_id": {
      "maxLength": 64,
      "minLength": 1,
      "title": "Price Id",
      "type": "string"
     },
     "quantity": {
      "default": 1,
      "maximum": 1000000.0,
      "minimum": 1.0,
      "title": "Quantity",
      "type": "integer"
     },
     "trial_period_days": {
      "anyOf": [
       {
        "maximum": 730.0,
        "minimum": 1.0,
        "type": "integer"
       },
       {
        "type": "null"
       }
      ],
      "title": "Trial Period Days"
     }
    },
    "required": [
     "price_id"
    ],
    "title": "SubscriptionRequest",
    "type": "object"
   },
   "SubscriptionResponse": {
    "properties": {
     "amount": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "description": "of one, each interval",
      "title": "Amount"
     },
     "amount_minor": {
      "anyOf": [
       {
        "type": "integer"
       },
       {
        "type": "null"
       }
      ],
      "title": "Amount Minor"
     },
     "cancel_at_period_end": {
      "title": "Cancel At Period End",
      "type": "boolean"
     },
     "canceled_at": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Canceled At"
     },
     "created_at": {
      "title": "Created At",
      "type": "string"
     },
     "currency": {
      "title": "Currency",
      "type": "string"
     },
     "current_period_end": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Current Period End"
     },
     "customer_id": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Customer Id"
     },
     "id": {
      "title": "Id",
      "type": "string"
     },
     "interval": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Interval"
     },
     "metadata": {
      "additionalProperties": {
       "type": "string"
      },
      "title": "Metadata",
      "type": "object"
     },
     "price_id": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Price Id"
     },
     "product_id": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Product Id"
     },
     "quantity": {
      "anyOf": [
       {
        "type": "integer"
       },
       {
        "type": "null"
       }
      ],
      "title": "Quantity"
     },
     "status": {
      "enum": [
       "incomplete",
       "incomplete_expired",
       "trialing",
       "active",
       "past_due",
       "canceled",
       "unpaid",
       "paused"
      ],
      "title": "Status",
      "type": "string"
     },
     "trial_end": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Trial End"
     }
    },
    "required": [
     "id",
     "customer_id",
     "status",
     "price_id",
     "product_id",
     "quantity",
     "amount",
     "amount_minor",
     "currency",
     "interval",
     "current_period_end",
     "cancel_at_period_end",
     "canceled_at",
     "trial_end",
     "metadata",
     "created_at"
    ],
    "title": "SubscriptionResponse",
    "type": "object"
   },
   "SumResponse": {
    "properties": {
     "amount": {
      "title": "Amount",
      "type": "string"
     },
     "amount_minor": {
      "title": "Amount Minor",
      "type": "integer"
     },
     "count": {
      "title": "Count",
      "type": "integer"
     },
     "currency": {
      "title": "Currency",
      "type": "string"
     },
     "status": {
      "title": "Status",
      "type": "string"
     }
    },
    "required": [
     "currency",
     "status",
     "count",
     "amount",
     "amount_minor"
    ],
    "title": "SumResponse",
    "type": "object"
   },
   "TokensResponse": {
    "properties": {
     "access_token": {
      "title": "Access Token",
      "type": "string"
     },
     "expires_in": {
      "description": "seconds until the access token expires",
      "title": "Expires In",
      "type": "integer"
     },
     "refresh_token": {
      "title": "Refresh Token",
      "type": "string"
     },
     "token_type": {
      "const": "Bearer",
      "default": "Bearer",
      "title": "Token Type",
      "type": "string"
     },
     "user": {
      "$ref": "#/components/schemas/UserResponse"
     }
    },
    "required": [
     "user",
     "access_token",
     "refresh_token",
     "expires_in"
    ],
    "title": "TokensResponse",
    "type": "object"
   },
   "TotpResponse": {
    "properties": {
     "otpauth_uri": {
      "description": "for a QR code",
      "title": "Otpauth Uri",
      "type": "string"
     },
     "secret": {
      "description": "base32, for typing it in",
      "title": "Secret",
      "type": "string"
     }
    },
    "required": [
     "secret",
     "otpauth_uri"
    ],
    "title": "TotpResponse",
    "type": "object"
   },
   "UploadError": {
    "properties": {
     "filename": {
      "title": "Filename",
      "type": "string"
     },
     "problem": {
      "additionalProperties": true,
      "title": "Problem",
      "type": "object"
     }
    },
    "required": [
     "filename",
     "problem"
    ],
    "title": "UploadError",
    "type": "object"
   },
   "UploadUrlRequest": {
    "properties": {
     "content_type": {
      "maxLength": 255,
      "minLength": 1,
      "title": "Content Type",
      "type": "string"
     },
     "filename": {
      "maxLength": 4096,
      "minLength": 1,
      "title": "Filename",
      "type": "string"
     },
     "folder": {
      "default": "/",
      "title": "Folder",
      "type": "string"
     },
     "metadata": {
      "additionalProperties": true,
      "title": "Metadata",
      "type": "object"
     },
     "size": {
      "description": "bytes",
      "maximum": 1125899906842624.0,
      "minimum": 0.0,
      "title": "Size",
      "type": "integer"
     }
    },
    "required": [
     "filename",
     "content_type",
     "size"
    ],
    "title": "UploadUrlRequest",
    "type": "object"
   },
   "UploadUrlResponse": {
    "properties": {
     "expires_at": {
      "title": "Expires At",
      "type": "string"
     },
     "file_id": {
      "title": "File Id",
      "type": "string"
     },
     "headers": {
      "additionalProperties": {
       "type": "string"
      },
      "title": "Headers",
      "type": "object"
     },
     "method": {
      "const": "PUT",
      "default": "PUT",
      "title": "Method",
      "type": "string"
     },
     "upload_url": {
      "title": "Upload Url",
      "type": "string"
     }
    },
    "required": [
     "file_id",
     "upload_url",
     "headers",
     "expires_at"
    ],
    "title": "UploadUrlResponse",
    "type": "object"
   },
   "UptimeResponse": {
    "properties": {
     "checks": {
      "items": {
       "$ref": "#/components/schemas/CheckUptime"
      },
      "title": "Checks",
      "type": "array"
     },
     "incidents": {
      "description": "those of the window, newest first, at most 200",
      "items": {
       "$ref": "#/components/schemas/IncidentResponse"
      },
      "title": "Incidents",
      "type": "array"
     },
     "step_seconds": {
      "title": "Step Seconds",
      "type": "integer"
     },
     "window": {
      "enum": [
       "24h",
       "7d",
       "30d",
       "90d"
      ],
      "title": "Window",
      "type": "string"
     }
    },
    "required": [
     "window",
     "step_seconds",
     "checks",
     "incidents"
    ],
    "title": "UptimeResponse",
    "type": "object"
   },
   "UserChange": {
    "additionalProperties": false,
    "properties": {
     "disabled": {
      "anyOf": [
       {
        "type": "boolean"
       },
       {
        "type": "null"
       }
      ],
      "title": "Disabled"
     },
     "mfa_enabled": {
      "anyOf": [
       {
        "const": false,
        "type": "boolean"
       },
       {
        "type": "null"
       }
      ],
      "description": "`false` removes a second factor that its owner has lost",
      "title": "Mfa Enabled"
     },
     "role": {
      "anyOf": [
       {
        "enum": [
         "user",
         "admin"
        ],
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Role"
     }
    },
    "title": "UserChange",
    "type": "object"
   },
   "UserDetails": {
    "properties": {
     "created_at": {
      "title": "Created At",
      "type": "string"
     },
     "disabled": {
      "title": "Disabled",
      "type": "boolean"
     },
     "email": {
      "title": "Email",
      "type": "string"
     },
     "email_verified": {
      "title": "Email Verified",
      "type": "boolean"
     },
     "id": {
      "title": "Id",
      "type": "string"
     },
     "last_sign_in_at": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Last Sign In At"
     },
     "mfa_enabled": {
      "title": "Mfa Enabled",
      "type": "boolean"
     },
     "name": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Name"
     },
     "provider": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "description": "null: signs in here, with a password; else who vouches for them, e.g. `supabase`",
      "title": "Provider"
     },
     "role": {
      "enum": [
       "user",
       "admin"
      ],
      "title": "Role",
      "type": "string"
     }
    },
    "required": [
     "id",
     "email",
     "name",
     "role",
     "email_verified",
     "mfa_enabled",
     "created_at",
     "disabled",
     "last_sign_in_at",
     "provider"
    ],
    "title": "UserDetails",
    "type": "object"
   },
   "UserList": {
    "properties": {
     "items": {
      "items": {
       "$ref": "#/components/schemas/UserDetails"
      },
      "title": "Items",
      "type": "array"
     },
     "next_cursor": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "description": "a page may be short before the end: only null is the end",
      "title": "Next Cursor"
     }
    },
    "required": [
     "items",
     "next_cursor"
    ],
    "title": "UserList",
    "type": "object"
   },
   "UserResponse": {
    "properties": {
     "created_at": {
      "title": "Created At",
      "type": "string"
     },
     "email": {
      "title": "Email",
      "type": "string"
     },
     "email_verified": {
      "title": "Email Verified",
      "type": "boolean"
     },
     "id": {
      "title": "Id",
      "type": "string"
     },
     "mfa_enabled": {
      "title": "Mfa Enabled",
      "type": "boolean"
     },
     "name": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "title": "Name"
     },
     "role": {
      "enum": [
       "user",
       "admin"
      ],
      "title": "Role",
      "type": "string"
     }
    },
    "required": [
     "id",
     "email",
     "name",
     "role",
     "email_verified",
     "mfa_enabled",
     "created_at"
    ],
    "title": "UserResponse",
    "type": "object"
   },
   "VariantResponse": {
    "properties": {
     "content_type": {
      "title": "Content Type",
      "type": "string"
     },
     "height": {
      "title": "Height",
      "type": "integer"
     },
     "size": {
      "title": "Size",
      "type": "integer"
     },
     "width": {
      "title": "Width",
      "type": "integer"
     }
    },
    "required": [
     "content_type",
     "size",
     "width",
     "height"
    ],
    "title": "VariantResponse",
    "type": "object"
   },
   "VerificationRequest": {
    "properties": {
     "email": {
      "anyOf": [
       {
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "description": "whose link to send, where there is no access token",
      "title": "Email"
     }
    },
    "title": "VerificationRequest",
    "type": "object"
   },
   "VerificationRequired": {
    "description": "The answer to a registration whose account the link in a mail makes.",
    "properties": {
     "status": {
      "const": "verification_required",
      "default": "verification_required",
      "title": "Status",
      "type": "string"
     }
    },
    "title": "VerificationRequired",
    "type": "object"
   },
   "VerifyEmailRequest": {
    "properties": {
     "token": {
      "description": "`token` of the link in the mail",
      "title": "Token",
      "type": "string"
     }
    },
    "required": [
     "token"
    ],
    "title": "VerifyEmailRequest",
    "type": "object"
   },
   "shared_code__files__schemas__StatsResponse": {
    "properties": {
     "active_files": {
      "title": "Active Files",
      "type": "integer"
     },
     "as_of": {
      "title": "As Of",
      "type": "string"
     },
     "by_type": {
      "additionalProperties": {
       "type": "integer"
      },
      "description": "files by content type",
      "title": "By Type",
      "type": "object"
     },
     "deleted_files": {
      "title": "Deleted Files",
      "type": "integer"
     },
     "total_bytes": {
      "title": "Total Bytes",
      "type": "integer"
     },
     "total_files": {
      "title": "Total Files",
      "type": "integer"
     },
     "total_size": {
      "description": "for people: \"1.2 GB\"",
      "title": "Total Size",
      "type": "string"
     }
    },
    "required": [
     "total_files",
     "active_files",
     "deleted_files",
     "total_bytes",
     "total_size",
     "by_type",
     "as_of"
    ],
    "title": "StatsResponse",
    "type": "object"
   },
   "shared_code__payments__event_schemas__StatsResponse": {
    "properties": {
     "active_subscriptions": {
      "description": "active, trialing or past due",
      "title": "Active Subscriptions",
      "type": "integer"
     },
     "as_of": {
      "title": "As Of",
      "type": "string"
     },
     "payments": {
      "items": {
       "$ref": "#/components/schemas/SumResponse"
      },
      "title": "Payments",
      "type": "array"
     },
     "refunds": {
      "items": {
       "$ref": "#/components/schemas/SumResponse"
      },
      "title": "Refunds",
      "type": "array"
     },
     "subscriptions": {
      "additionalProperties": {
       "type": "integer"
      },
      "description": "how many, by state",
      "title": "Subscriptions",
      "type": "object"
     }
    },
    "required": [
     "payments",
     "refunds",
     "subscriptions",
     "active_subscriptions",
     "as_of"
    ],
    "title": "StatsResponse",
    "type": "object"
   }
  },
  "securitySchemes": {
   "bearer": {
    "description": "an access token or an API key",
    "scheme": "bearer",
    "type": "http"
   }
  }
 },
 "info": {
  "summary": "Sign-in, files and images, AI, chat, payments and monitoring on Azure Functions",
  "title": "Lydian",
  "version": "0.1.0"
 },
 "openapi": "3.1.0",
 "paths": {
  "/": {
   "get": {
    "description": "What runs here; a browser gets a page.",
    "operationId": "common_root",
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {}
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "summary": "Common Root",
    "tags": [
     "common"
    ]
   }
  },
  "/.well-known/jwks.json": {
   "get": {
    "description": "The public keys (RFC 7517); one that is being rotated in or out is listed too.",
    "operationId": "auth_jwks",
    "parameters": [
     {
      "in": "header",
      "name": "if-none-match",
      "required": false,
      "schema": {
       "anyOf": [
        {
         "type": "string"
        },
        {
         "type": "null"
        }
       ],
       "title": "If-None-Match"
      }
     }
    ],
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "additionalProperties": true,
         "title": "Response Auth Jwks",
         "type": "object"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "summary": "Auth Jwks",
    "tags": [
     "auth"
    ]
   }
  },
  "/.well-known/openid-configuration": {
   "get": {
    "description": "Enough of OpenID Connect Discovery 1.0 for a gateway to verify our access tokens; `issuer` is their `iss`.",
    "operationId": "auth_discovery",
    "parameters": [
     {
      "in": "header",
      "name": "if-none-match",
      "required": false,
      "schema": {
       "anyOf": [
        {
         "type": "string"
        },
        {
         "type": "null"
        }
       ],
       "title": "If-None-Match"
      }
     }
    ],
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "additionalProperties": true,
         "title": "Response Auth Discovery",
         "type": "object"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "summary": "Auth Discovery",
    "tags": [
     "auth"
    ]
   }
  },
  "/api/auth/audit": {
   "get": {
    "description": "Security events, newest first: the caller's, a user's, or with `scope=all` everyone's (`user_id` narrows those too).",
    "operationId": "auth_list_audit",
    "parameters": [
     {
      "in": "query",
      "name": "limit",
      "required": false,
      "schema": {
       "default": 20,
       "maximum": 100,
       "minimum": 1,
       "title": "Limit",
       "type": "integer"
      }
     },
     {
      "description": "`next_cursor` of the page before",
      "in": "query",
      "name": "cursor",
      "required": false,
      "schema": {
       "anyOf": [
        {
         "type": "string"
        },
        {
         "type": "null"
        }
       ],
       "description": "`next_cursor` of the page before",
       "title": "Cursor"
      }
     },
     {
      "description": "another's, for administrators",
      "in": "query",
      "name": "user_id",
      "required": false,
      "schema": {
       "anyOf": [
        {
         "maxLength": 64,
         "minLength": 1,
         "type": "string"
        },
        {
         "type": "null"
        }
       ],
       "description": "another's, for administrators",
       "title": "User Id"
      }
     },
     {
      "description": "`all`: everyone's, for administrators",
      "in": "query",
      "name": "scope",
      "required": false,
      "schema": {
       "default": "own",
       "description": "`all`: everyone's, for administrators",
       "enum": [
        "own",
        "all"
       ],
       "title": "Scope",
       "type": "string"
      }
     },
     {
      "in": "query",
      "name": "kind",
      "required": false,
      "schema": {
       "anyOf": [
        {
         "maxLength": 64,
         "minLength": 1,
         "type": "string"
        },
        {
         "type": "null"
        }
       ],
       "title": "Kind"
      }
     },
     {
      "description": "RFC 3339, inclusive",
      "in": "query",
      "name": "from",
      "required": false,
      "schema": {
       "anyOf": [
        {
         "maxLength": 64,
         "type": "string"
        },
        {
         "type": "null"
        }
       ],
       "description": "RFC 3339, inclusive",
       "title": "From"
      }
     },
     {
      "description": "RFC 3339, exclusive",
      "in": "query",
      "name": "to",
      "required": false,
      "schema": {
       "anyOf": [
        {
         "maxLength": 64,
         "type": "string"
        },
        {
         "type": "null"
        }
       ],
       "description": "RFC 3339, exclusive",
       "title": "To"
      }
     }
    ],
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/AuditList"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Auth List Audit",
    "tags": [
     "auth"
    ]
   }
  },
  "/api/auth/change-password": {
   "post": {
    "description": "Set a new password; every session but this one ends. A wrong current password is 403 `wrong_password`.",
    "operationId": "auth_change_password",
    "requestBody": {
     "content": {
      "application/json": {
       "schema": {
        "$ref": "#/components/schemas/ChangePasswordRequest"
       }
      }
     },
     "required": true
    },
    "responses": {
     "204": {
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Auth Change Password",
    "tags": [
     "auth"
    ]
   }
  },
  "/api/auth/export": {
   "get": {
    "description": "Everything stored about the caller, as a ZIP of JSON and files. One that fails on the way is cut off: it does not open.",
    "operationId": "auth_export",
    "responses": {
     "200": {
      "content": {
       "application/zip": {
        "schema": {
         "format": "binary",
         "type": "string"
        }
       }
      },
      "description": "Successful Response"
     },
     "409": {
      "description": "An export of this account is running"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Auth Export",
    "tags": [
     "auth"
    ]
   }
  },
  "/api/auth/forgot-password": {
   "post": {
    "description": "A mail with a link that sets a new password, if the address has an account; the answer is the same if not.",
    "operationId": "auth_forgot_password",
    "requestBody": {
     "content": {
      "application/json": {
       "schema": {
        "$ref": "#/components/schemas/ForgotPasswordRequest"
       }
      }
     },
     "required": true
    },
    "responses": {
     "202": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/AcceptedResponse"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "summary": "Auth Forgot Password",
    "tags": [
     "auth"
    ]
   }
  },
  "/api/auth/keys": {
   "get": {
    "operationId": "auth_list_keys",
    "parameters": [
     {
      "in": "query",
      "name": "limit",
      "required": false,
      "schema": {
       "default": 20,
       "maximum": 100,
       "minimum": 1,
       "title": "Limit",
       "type": "integer"
      }
     },
     {
      "description": "`next_cursor` of the page before",
      "in": "query",
      "name": "cursor",
      "required": false,
      "schema": {
       "anyOf": [
        {
         "type": "string"
        },
        {
         "type": "null"
        }
       ],
       "description": "`next_cursor` of the page before",
       "title": "Cursor"
      }
     }
    ],
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/ApiKeyList"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Auth List Keys",
    "tags": [
     "auth"
    ]
   },
   "post": {
    "description": "A new API key. `key` is shown here only; send it as `Authorization: Bearer lyd_…`. With `ai` the key has a budget and limits\nof its own at the AI gateway, within those of its user.",
    "operationId": "auth_create_key",
    "requestBody": {
     "content": {
      "application/json": {
       "schema": {
        "$ref": "#/components/schemas/ApiKeyRequest"
       }
      }
     },
     "required": true
    },
    "responses": {
     "201": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/NewApiKeyResponse"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Auth Create Key",
    "tags": [
     "auth"
    ]
   }
  },
  "/api/auth/keys/{key_id}": {
   "delete": {
    "description": "End a key: at once on this instance, within five seconds on every other.",
    "operationId": "auth_revoke_key",
    "parameters": [
     {
      "in": "path",
      "name": "key_id",
      "required": true,
      "schema": {
       "title": "Key Id",
       "type": "string"
      }
     }
    ],
    "responses": {
     "204": {
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Auth Revoke Key",
    "tags": [
     "auth"
    ]
   }
  },
  "/api/auth/login": {
   "post": {
    "operationId": "auth_login",
    "requestBody": {
     "content": {
      "application/json": {
       "schema": {
        "$ref": "#/components/schemas/LoginRequest"
       }
      }
     },
     "required": true
    },
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/TokensResponse"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "summary": "Auth Login",
    "tags": [
     "auth"
    ]
   }
  },
  "/api/auth/login/mfa": {
   "post": {
    "description": "The second step of a sign-in that was answered `mfa_required`.",
    "operationId": "auth_login_mfa",
    "requestBody": {
     "content": {
      "application/json": {
       "schema": {
        "$ref": "#/components/schemas/MfaLoginRequest"
       }
      }
     },
     "required": true
    },
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/TokensResponse"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "summary": "Auth Login Mfa",
    "tags": [
     "auth"
    ]
   }
  },
  "/api/auth/logout": {
   "post": {
    "operationId": "auth_logout",
    "responses": {
     "204": {
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Auth Logout",
    "tags": [
     "auth"
    ]
   }
  },
  "/api/auth/me": {
   "delete": {
    "description": "Delete the caller's account, for good. It is closed at once; everything that it owns is removed within about 20 minutes.\n\nAn account that has a password asks for it: a wrong one is 403 `wrong_password`.",
    "operationId": "auth_delete_me",
    "requestBody": {
     "content": {
      "application/json": {
       "schema": {
        "anyOf": [
         {
          "$ref": "#/components/schemas/DeletionRequest"
         },
         {
          "type": "null"
         }
        ],
        "title": "Body"
       }
      }
     }
    },
    "responses": {
     "204": {
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Auth Delete Me",
    "tags": [
     "auth"
    ]
   },
   "get": {
    "operationId": "auth_get_me",
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/UserResponse"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Auth Get Me",
    "tags": [
     "auth"
    ]
   },
   "patch": {
    "description": "Change what is given, and only that.",
    "operationId": "auth_update_me",
    "requestBody": {
     "content": {
      "application/json": {
       "schema": {
        "$ref": "#/components/schemas/ProfileChange"
       }
      }
     },
     "required": true
    },
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/UserResponse"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Auth Update Me",
    "tags": [
     "auth"
    ]
   }
  },
  "/api/auth/mfa/totp": {
   "delete": {
    "description": "From now on sign-in asks for no code. A mail tells the account's owner.",
    "operationId": "auth_delete_totp",
    "responses": {
     "204": {
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Auth Delete Totp",
    "tags": [
     "auth"
    ]
   },
   "post": {
    "description": "A secret for an authenticator app. Nothing changes at sign-in until a code of it is confirmed.",
    "operationId": "auth_enrol_totp",
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/TotpResponse"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Auth Enrol Totp",
    "tags": [
     "auth"
    ]
   }
  },
  "/api/auth/mfa/totp/confirm": {
   "post": {
    "description": "From now on sign-in asks for a code. A mail tells the account's owner.",
    "operationId": "auth_confirm_totp",
    "requestBody": {
     "content": {
      "application/json": {
       "schema": {
        "$ref": "#/components/schemas/CodeRequest"
       }
      }
     },
     "required": true
    },
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/RecoveryCodesResponse"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Auth Confirm Totp",
    "tags": [
     "auth"
    ]
   }
  },
  "/api/auth/refresh": {
   "post": {
    "description": "Rotate the refresh token. A token that was used before ends the session, unless it is the same client's quick retry.",
    "operationId": "auth_refresh",
    "requestBody": {
     "content": {
      "application/json": {
       "schema": {
        "$ref": "#/components/schemas/RefreshRequest"
       }
      }
     },
     "required": true
    },
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/TokensResponse"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "summary": "Auth Refresh",
    "tags": [
     "auth"
    ]
   }
  },
  "/api/auth/register": {
   "post": {
    "description": "A new account. Its address gets a mail with a link that verifies it.",
    "operationId": "auth_register",
    "requestBody": {
     "content": {
      "application/json": {
       "schema": {
        "$ref": "#/components/schemas/RegisterRequest"
       }
      }
     },
     "required": true
    },
    "responses": {
     "201": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/TokensResponse"
        }
       }
      },
      "description": "Successful Response"
     },
     "202": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/VerificationRequired"
        }
       }
      },
      "description": "AUTH_REQUIRE_VERIFIED_EMAIL is set: a mail's link makes the account"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "summary": "Auth Register",
    "tags": [
     "auth"
    ]
   }
  },
  "/api/auth/reset-password": {
   "post": {
    "description": "Set the password by a link's token. Every session ends. A token works once; any other is 400 `invalid_token`.",
    "operationId": "auth_reset_password",
    "requestBody": {
     "content": {
      "application/json": {
       "schema": {
        "$ref": "#/components/schemas/ResetPasswordRequest"
       }
      }
     },
     "required": true
    },
    "responses": {
     "204": {
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "summary": "Auth Reset Password",
    "tags": [
     "auth"
    ]
   }
  },
  "/api/auth/sessions": {
   "delete": {
    "description": "Sign every other device out.",
    "operationId": "auth_revoke_sessions",
    "responses": {
     "204": {
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Auth Revoke Sessions",
    "tags": [
     "auth"
    ]
   },
   "get": {
    "operationId": "auth_list_sessions",
    "parameters": [
     {
      "in": "query",
      "name": "limit",
      "required": false,
      "schema": {
       "default": 20,
       "maximum": 100,
       "minimum": 1,
       "title": "Limit",
       "type": "integer"
      }
     },
     {
      "description": "`next_cursor` of the page before",
      "in": "query",
      "name": "cursor",
      "required": false,
      "schema": {
       "anyOf": [
        {
         "type": "string"
        },
        {
         "type": "null"
        }
       ],
       "description": "`next_cursor` of the page before",
       "title": "Cursor"
      }
     }
    ],
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/SessionList"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Auth List Sessions",
    "tags": [
     "auth"
    ]
   }
  },
  "/api/auth/sessions/{session_id}": {
   "delete": {
    "description": "Sign one device out: at once on this instance, within five seconds on every other.",
    "operationId": "auth_revoke_session",
    "parameters": [
     {
      "in": "path",
      "name": "session_id",
      "required": true,
      "schema": {
       "title": "Session Id",
       "type": "string"
      }
     }
    ],
    "responses": {
     "204": {
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Auth Revoke Session",
    "tags": [
     "auth"
    ]
   }
  },
  "/api/auth/users": {
   "get": {
    "description": "Everyone's accounts, newest first.",
    "operationId": "auth_list_users",
    "parameters": [
     {
      "in": "query",
      "name": "limit",
      "required": false,
      "schema": {
       "default": 20,
       "maximum": 100,
       "minimum": 1,
       "title": "Limit",
       "type": "integer"
      }
     },
     {
      "description": "`next_cursor` of the page before",
      "in": "query",
      "name": "cursor",
      "required": false,
      "schema": {
       "anyOf": [
        {
         "type": "string"
        },
        {
         "type": "null"
        }
       ],
       "description": "`next_cursor` of the page before",
       "title": "Cursor"
      }
     },
     {
      "description": "how the address begins; the list is then by address, not newest first",
      "in": "query",
      "name": "email",
      "required": false,
      "schema": {
       "anyOf": [
        {
         "maxLength": 320,
         "minLength": 1,
         "type": "string"
        },
        {
         "type": "null"
        }
       ],
       "description": "how the address begins; the list is then by address, not newest first",
       "title": "Email"
      }
     }
    ],
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/UserList"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Auth List Users",
    "tags": [
     "auth"
    ]
   }
  },
  "/api/auth/users/{user_id}": {
   "patch": {
    "description": "Change a user's role, or who may sign in, or remove a lost second factor. Whoever is disabled or demoted is signed out\neverywhere.",
    "operationId": "auth_update_user",
    "parameters": [
     {
      "in": "path",
      "name": "user_id",
      "required": true,
      "schema": {
       "title": "User Id",
       "type": "string"
      }
     }
    ],
    "requestBody": {
     "content": {
      "application/json": {
       "schema": {
        "$ref": "#/components/schemas/UserChange"
       }
      }
     },
     "required": true
    },
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/UserDetails"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Auth Update User",
    "tags": [
     "auth"
    ]
   }
  },
  "/api/auth/verify-email": {
   "post": {
    "description": "The account whose address the link's token proves. A token works once; any other is 400 `invalid_token`.",
    "operationId": "auth_verify_email",
    "requestBody": {
     "content": {
      "application/json": {
       "schema": {
        "$ref": "#/components/schemas/VerifyEmailRequest"
       }
      }
     },
     "required": true
    },
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/UserResponse"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "summary": "Auth Verify Email",
    "tags": [
     "auth"
    ]
   }
  },
  "/api/auth/verify-email/request": {
   "post": {
    "description": "Another mail with a link: with an access token to the caller, without one to `email`, for who cannot sign in yet.\n\nThe answer is the same when there is nothing to verify, and when an address has had five mails in an hour.",
    "operationId": "auth_request_verification",
    "requestBody": {
     "content": {
      "application/json": {
       "schema": {
        "anyOf": [
         {
          "$ref": "#/components/schemas/VerificationRequest"
         },
         {
          "type": "null"
         }
        ],
        "title": "Body"
       }
      }
     }
    },
    "responses": {
     "202": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/AcceptedResponse"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     },
     {}
    ],
    "summary": "Auth Request Verification",
    "tags": [
     "auth"
    ]
   }
  },
  "/api/customers/create": {
   "post": {
    "description": "The caller's customer. A second one is not made: the first is given again, as it is, with 200.",
    "operationId": "payments_create_customer",
    "requestBody": {
     "content": {
      "application/json": {
       "schema": {
        "$ref": "#/components/schemas/CustomerRequest"
       }
      }
     },
     "required": true
    },
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/CustomerResponse"
        }
       }
      },
      "description": "The user's customer, which was there already"
     },
     "201": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/CustomerResponse"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Payments Create Customer",
    "tags": [
     "payments"
    ]
   }
  },
  "/api/customers/{customer_id}": {
   "get": {
    "operationId": "payments_get_customer",
    "parameters": [
     {
      "in": "path",
      "name": "customer_id",
      "required": true,
      "schema": {
       "title": "Customer Id",
       "type": "string"
      }
     }
    ],
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/CustomerResponse"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Payments Get Customer",
    "tags": [
     "payments"
    ]
   },
   "patch": {
    "description": "Change what is given; null takes the name away.",
    "operationId": "payments_update_customer",
    "parameters": [
     {
      "in": "path",
      "name": "customer_id",
      "required": true,
      "schema": {
       "title": "Customer Id",
       "type": "string"
      }
     }
    ],
    "requestBody": {
     "content": {
      "application/json": {
       "schema": {
        "$ref": "#/components/schemas/CustomerChange"
       }
      }
     },
     "required": true
    },
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/CustomerResponse"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Payments Update Customer",
    "tags": [
     "payments"
    ]
   }
  },
  "/api/files": {
   "get": {
    "operationId": "files_list",
    "parameters": [
     {
      "in": "query",
      "name": "limit",
      "required": false,
      "schema": {
       "default": 20,
       "maximum": 100,
       "minimum": 1,
       "title": "Limit",
       "type": "integer"
      }
     },
     {
      "description": "`next_cursor` of the page before",
      "in": "query",
      "name": "cursor",
      "required": false,
      "schema": {
       "anyOf": [
        {
         "type": "string"
        },
        {
         "type": "null"
        }
       ],
       "description": "`next_cursor` of the page before",
       "title": "Cursor"
      }
     },
     {
      "description": "this folder and those below it",
      "in": "query",
      "name": "folder",
      "required": false,
      "schema": {
       "anyOf": [
        {
         "maxLength": 512,
         "type": "string"
        },
        {
         "type": "null"
        }
       ],
       "description": "this folder and those below it",
       "title": "Folder"
      }
     },
     {
      "description": "`image/png`, or `image` for all images",
      "in": "query",
      "name": "type",
      "required": false,
      "schema": {
       "anyOf": [
        {
         "maxLength": 255,
         "type": "string"
        },
        {
         "type": "null"
        }
       ],
       "description": "`image/png`, or `image` for all images",
       "title": "Type"
      }
     },
     {
      "in": "query",
      "name": "status",
      "required": false,
      "schema": {
       "default": "active",
       "enum": [
        "active",
        "deleted",
        "all"
       ],
       "title": "Status",
       "type": "string"
      }
     }
    ],
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/FileList"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Files List",
    "tags": [
     "files"
    ]
   }
  },
  "/api/files/stats": {
   "get": {
    "description": "The caller's totals as they are now; with `scope=all`, for administrators, everyone's as of the last roll-up.",
    "operationId": "files_stats",
    "parameters": [
     {
      "in": "query",
      "name": "scope",
      "required": false,
      "schema": {
       "default": "own",
       "enum": [
        "own",
        "all"
       ],
       "title": "Scope",
       "type": "string"
      }
     }
    ],
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/shared_code__files__schemas__StatsResponse"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Files Stats",
    "tags": [
     "files"
    ]
   }
  },
  "/api/files/upload": {
   "post": {
    "description": "Store one file. The body is read as a stream; its type is decided from its bytes.",
    "operationId": "files_upload",
    "requestBody": {
     "content": {
      "multipart/form-data": {
       "schema": {
        "properties": {
         "file": {
          "contentMediaType": "application/octet-stream",
          "type": "string"
         },
         "folder": {
          "default": "/",
          "description": "a path",
          "type": "string"
         },
         "metadata": {
          "contentMediaType": "application/json",
          "description": "a JSON object, at most 8 KiB",
          "type": "string"
         }
        },
        "required": [
         "file"
        ],
        "type": "object"
       }
      }
     },
     "required": true
    },
    "responses": {
     "201": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/FileResponse"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Files Upload",
    "tags": [
     "files"
    ]
   }
  },
  "/api/files/upload-url": {
   "post": {
    "description": "Leave to PUT the bytes straight to storage within 15 minutes; then call `complete`.",
    "operationId": "files_create_upload_url",
    "requestBody": {
     "content": {
      "application/json": {
       "schema": {
        "$ref": "#/components/schemas/UploadUrlRequest"
       }
      }
     },
     "required": true
    },
    "responses": {
     "201": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/UploadUrlResponse"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Files Create Upload Url",
    "tags": [
     "files"
    ]
   }
  },
  "/api/files/upload/multiple": {
   "post": {
    "description": "Store up to 20 files; a bad one never loses a good one.",
    "operationId": "files_upload_multiple",
    "requestBody": {
     "content": {
      "multipart/form-data": {
       "schema": {
        "properties": {
         "files": {
          "items": {
           "contentMediaType": "application/octet-stream",
           "type": "string"
          },
          "maxItems": 20,
          "minItems": 1,
          "type": "array"
         },
         "folder": {
          "default": "/",
          "description": "a path",
          "type": "string"
         },
         "metadata": {
          "contentMediaType": "application/json",
          "description": "a JSON object, at most 8 KiB",
          "type": "string"
         }
        },
        "required": [
         "files"
        ],
        "type": "object"
       }
      }
     },
     "required": true
    },
    "responses": {
     "201": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/MultipleUploadResponse"
        }
       }
      },
      "description": "Successful Response"
     },
     "207": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/MultipleUploadResponse"
        }
       }
      },
      "description": "Some were stored"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Files Upload Multiple",
    "tags": [
     "files"
    ]
   }
  },
  "/api/files/{file_id}": {
   "delete": {
    "operationId": "files_delete",
    "parameters": [
     {
      "in": "path",
      "name": "file_id",
      "required": true,
      "schema": {
       "title": "File Id",
       "type": "string"
      }
     },
     {
      "in": "query",
      "name": "permanent",
      "required": false,
      "schema": {
       "default": false,
       "title": "Permanent",
       "type": "boolean"
      }
     }
    ],
    "responses": {
     "204": {
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Files Delete",
    "tags": [
     "files"
    ]
   },
   "get": {
    "description": "The file's bytes, with ranges (RFC 9110, 14) and conditions (RFC 9110, 13).",
    "operationId": "files_download",
    "parameters": [
     {
      "in": "path",
      "name": "file_id",
      "required": true,
      "schema": {
       "title": "File Id",
       "type": "string"
      }
     },
     {
      "description": "by default `optimized` when it is ready, else `original`",
      "in": "query",
      "name": "variant",
      "required": false,
      "schema": {
       "anyOf": [
        {
         "enum": [
          "original",
          "optimized",
          "thumbnail"
         ],
         "type": "string"
        },
        {
         "type": "null"
        }
       ],
       "description": "by default `optimized` when it is ready, else `original`",
       "title": "Variant"
      }
     },
     {
      "in": "query",
      "name": "download",
      "required": false,
      "schema": {
       "default": false,
       "title": "Download",
       "type": "boolean"
      }
     }
    ],
    "responses": {
     "200": {
      "content": {
       "application/octet-stream": {
        "schema": {
         "format": "binary",
         "type": "string"
        }
       }
      },
      "description": "Successful Response"
     },
     "206": {
      "description": "The range"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Files Download",
    "tags": [
     "files"
    ]
   }
  },
  "/api/files/{file_id}/complete": {
   "post": {
    "description": "The bytes of a direct upload are there: check them as an upload does and make the file visible.",
    "operationId": "files_complete_upload",
    "parameters": [
     {
      "in": "path",
      "name": "file_id",
      "required": true,
      "schema": {
       "title": "File Id",
       "type": "string"
      }
     }
    ],
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/FileResponse"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Files Complete Upload",
    "tags": [
     "files"
    ]
   }
  },
  "/api/files/{file_id}/metadata": {
   "get": {
    "operationId": "files_get_metadata",
    "parameters": [
     {
      "in": "path",
      "name": "file_id",
      "required": true,
      "schema": {
       "title": "File Id",
       "type": "string"
      }
     },
     {
      "in": "header",
      "name": "if-none-match",
      "required": false,
      "schema": {
       "anyOf": [
        {
         "type": "string"
        },
        {
         "type": "null"
        }
       ],
       "title": "If-None-Match"
      }
     }
    ],
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/FileResponse"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Files Get Metadata",
    "tags": [
     "files"
    ]
   },
   "patch": {
    "operationId": "files_update_metadata",
    "parameters": [
     {
      "in": "path",
      "name": "file_id",
      "required": true,
      "schema": {
       "title": "File Id",
       "type": "string"
      }
     },
     {
      "in": "header",
      "name": "if-match",
      "required": false,
      "schema": {
       "anyOf": [
        {
         "type": "string"
        },
        {
         "type": "null"
        }
       ],
       "title": "If-Match"
      }
     }
    ],
    "requestBody": {
     "content": {
      "application/json": {
       "schema": {
        "$ref": "#/components/schemas/FileChange"
       }
      }
     },
     "required": true
    },
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/FileResponse"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Files Update Metadata",
    "tags": [
     "files"
    ]
   }
  },
  "/api/files/{file_id}/restore": {
   "post": {
    "operationId": "files_restore",
    "parameters": [
     {
      "in": "path",
      "name": "file_id",
      "required": true,
      "schema": {
       "title": "File Id",
       "type": "string"
      }
     }
    ],
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/FileResponse"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Files Restore",
    "tags": [
     "files"
    ]
   }
  },
  "/api/files/{file_id}/share": {
   "post": {
    "description": "A link for whoever has it. The token is shown here only.",
    "operationId": "files_create_share",
    "parameters": [
     {
      "in": "path",
      "name": "file_id",
      "required": true,
      "schema": {
       "title": "File Id",
       "type": "string"
      }
     }
    ],
    "requestBody": {
     "content": {
      "application/json": {
       "schema": {
        "anyOf": [
         {
          "$ref": "#/components/schemas/ShareRequest"
         },
         {
          "type": "null"
         }
        ],
        "title": "Body"
       }
      }
     }
    },
    "responses": {
     "201": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/NewShareResponse"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Files Create Share",
    "tags": [
     "files"
    ]
   }
  },
  "/api/files/{file_id}/shares": {
   "get": {
    "operationId": "files_list_shares",
    "parameters": [
     {
      "in": "path",
      "name": "file_id",
      "required": true,
      "schema": {
       "title": "File Id",
       "type": "string"
      }
     },
     {
      "in": "query",
      "name": "limit",
      "required": false,
      "schema": {
       "default": 20,
       "maximum": 100,
       "minimum": 1,
       "title": "Limit",
       "type": "integer"
      }
     },
     {
      "description": "`next_cursor` of the page before",
      "in": "query",
      "name": "cursor",
      "required": false,
      "schema": {
       "anyOf": [
        {
         "type": "string"
        },
        {
         "type": "null"
        }
       ],
       "description": "`next_cursor` of the page before",
       "title": "Cursor"
      }
     }
    ],
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/ShareList"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Files List Shares",
    "tags": [
     "files"
    ]
   }
  },
  "/api/files/{file_id}/shares/{share_id}": {
   "delete": {
    "operationId": "files_revoke_share",
    "parameters": [
     {
      "in": "path",
      "name": "file_id",
      "required": true,
      "schema": {
       "title": "File Id",
       "type": "string"
      }
     },
     {
      "in": "path",
      "name": "share_id",
      "required": true,
      "schema": {
       "title": "Share Id",
       "type": "string"
      }
     }
    ],
    "responses": {
     "204": {
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Files Revoke Share",
    "tags": [
     "files"
    ]
   }
  },
  "/api/invoices": {
   "get": {
    "operationId": "payments_list_invoices",
    "parameters": [
     {
      "in": "query",
      "name": "limit",
      "required": false,
      "schema": {
       "default": 20,
       "maximum": 100,
       "minimum": 1,
       "title": "Limit",
       "type": "integer"
      }
     },
     {
      "description": "`next_cursor` of the page before",
      "in": "query",
      "name": "cursor",
      "required": false,
      "schema": {
       "anyOf": [
        {
         "type": "string"
        },
        {
         "type": "null"
        }
       ],
       "description": "`next_cursor` of the page before",
       "title": "Cursor"
      }
     },
     {
      "description": "another customer than yours: for administrators",
      "in": "query",
      "name": "customer_id",
      "required": false,
      "schema": {
       "anyOf": [
        {
         "maxLength": 64,
         "type": "string"
        },
        {
         "type": "null"
        }
       ],
       "description": "another customer than yours: for administrators",
       "title": "Customer Id"
      }
     },
     {
      "in": "query",
      "name": "subscription_id",
      "required": false,
      "schema": {
       "anyOf": [
        {
         "maxLength": 64,
         "type": "string"
        },
        {
         "type": "null"
        }
       ],
       "title": "Subscription Id"
      }
     }
    ],
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/InvoiceList"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Payments List Invoices",
    "tags": [
     "payments"
    ]
   }
  },
  "/api/mail/outbox": {
   "get": {
    "description": "The mails that a local run without SendGrid has not sent, newest first.",
    "operationId": "mail_outbox",
    "parameters": [
     {
      "in": "query",
      "name": "limit",
      "required": false,
      "schema": {
       "default": 20,
       "maximum": 100,
       "minimum": 1,
       "title": "Limit",
       "type": "integer"
      }
     },
     {
      "description": "`next_cursor` of the page before",
      "in": "query",
      "name": "cursor",
      "required": false,
      "schema": {
       "anyOf": [
        {
         "type": "string"
        },
        {
         "type": "null"
        }
       ],
       "description": "`next_cursor` of the page before",
       "title": "Cursor"
      }
     }
    ],
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/OutboxList"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Mail Outbox",
    "tags": [
     "mail"
    ]
   }
  },
  "/api/monitoring/health": {
   "get": {
    "description": "Every service and every dependency with its last probe, whichever app made it.",
    "operationId": "monitoring_get_health",
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/HealthResponse"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Monitoring Get Health",
    "tags": [
     "monitoring"
    ]
   }
  },
  "/api/monitoring/queues": {
   "get": {
    "description": "How long the queues between services are, and their poison queues: what was tried five times and given up on.",
    "operationId": "monitoring_list_queues",
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/QueueList"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Monitoring List Queues",
    "tags": [
     "monitoring"
    ]
   }
  },
  "/api/monitoring/queues/{queue}/replay": {
   "post": {
    "description": "Move what a queue's poison queue holds back into the queue, to be tried anew. One that is cut off may try a message twice.",
    "operationId": "monitoring_replay_queue",
    "parameters": [
     {
      "in": "path",
      "name": "queue",
      "required": true,
      "schema": {
       "title": "Queue",
       "type": "string"
      }
     }
    ],
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/ReplayResponse"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Monitoring Replay Queue",
    "tags": [
     "monitoring"
    ]
   }
  },
  "/api/monitoring/stats": {
   "get": {
    "description": "The last statistics roll-up of every service, and how the figures were over time.",
    "operationId": "monitoring_stats",
    "parameters": [
     {
      "description": "5-minute points of a day, hourly ones of a month, daily ones of a year",
      "in": "query",
      "name": "history",
      "required": false,
      "schema": {
       "default": "5m",
       "description": "5-minute points of a day, hourly ones of a month, daily ones of a year",
       "enum": [
        "5m",
        "1h",
        "1d"
       ],
       "title": "History",
       "type": "string"
      }
     }
    ],
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/StatisticsResponse"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Monitoring Stats",
    "tags": [
     "monitoring"
    ]
   }
  },
  "/api/monitoring/uptime": {
   "get": {
    "description": "Uptime of every check and its incidents. Two failures in a row open an incident, two successes close it; a minute in which nobody\nlooked is no data, never up.",
    "operationId": "monitoring_get_uptime",
    "parameters": [
     {
      "description": "a point of the series stands for 15 minutes, 2 hours, 8 hours or a day",
      "in": "query",
      "name": "window",
      "required": false,
      "schema": {
       "default": "24h",
       "description": "a point of the series stands for 15 minutes, 2 hours, 8 hours or a day",
       "enum": [
        "24h",
        "7d",
        "30d",
        "90d"
       ],
       "title": "Window",
       "type": "string"
      }
     }
    ],
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/UptimeResponse"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Monitoring Get Uptime",
    "tags": [
     "monitoring"
    ]
   }
  },
  "/api/payments/checkout-session": {
   "post": {
    "description": "Stripe's own checkout page, for a price or for an amount.",
    "operationId": "payments_create_checkout",
    "requestBody": {
     "content": {
      "application/json": {
       "schema": {
        "$ref": "#/components/schemas/CheckoutRequest"
       }
      }
     },
     "required": true
    },
    "responses": {
     "201": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/HostedPageResponse"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Payments Create Checkout",
    "tags": [
     "payments"
    ]
   }
  },
  "/api/payments/config": {
   "get": {
    "description": "What a page needs to take payments: Stripe's publishable key and what is on sale.",
    "operationId": "payments_get_config",
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/ConfigResponse"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "summary": "Payments Get Config",
    "tags": [
     "payments"
    ]
   }
  },
  "/api/payments/confirm-payment": {
   "post": {
    "description": "Try to take the money. 402 when the card is declined, with Stripe's `decline_code`; `next_action` where the payer must act.",
    "operationId": "payments_confirm_payment",
    "requestBody": {
     "content": {
      "application/json": {
       "schema": {
        "$ref": "#/components/schemas/ConfirmRequest"
       }
      }
     },
     "required": true
    },
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/PaymentResponse"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Payments Confirm Payment",
    "tags": [
     "payments"
    ]
   }
  },
  "/api/payments/create-payment-intent": {
   "post": {
    "description": "A new payment. Confirm it in a page with `client_secret`, or with `confirm-payment`.",
    "operationId": "payments_create_payment",
    "requestBody": {
     "content": {
      "application/json": {
       "schema": {
        "$ref": "#/components/schemas/PaymentRequest"
       }
      }
     },
     "required": true
    },
    "responses": {
     "201": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/PaymentResponse"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Payments Create Payment",
    "tags": [
     "payments"
    ]
   }
  },
  "/api/payments/events": {
   "get": {
    "description": "The inbox, newest first: what came of each event of the last 35 days.",
    "operationId": "payments_list_events",
    "parameters": [
     {
      "in": "query",
      "name": "limit",
      "required": false,
      "schema": {
       "default": 20,
       "maximum": 100,
       "minimum": 1,
       "title": "Limit",
       "type": "integer"
      }
     },
     {
      "description": "`next_cursor` of the page before",
      "in": "query",
      "name": "cursor",
      "required": false,
      "schema": {
       "anyOf": [
        {
         "type": "string"
        },
        {
         "type": "null"
        }
       ],
       "description": "`next_cursor` of the page before",
       "title": "Cursor"
      }
     },
     {
      "description": "only events in this state",
      "in": "query",
      "name": "status",
      "required": false,
      "schema": {
       "anyOf": [
        {
         "enum": [
          "received",
          "processed",
          "failed",
          "ignored"
         ],
         "type": "string"
        },
        {
         "type": "null"
        }
       ],
       "description": "only events in this state",
       "title": "Status"
      }
     }
    ],
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/EventList"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Payments List Events",
    "tags": [
     "payments"
    ]
   }
  },
  "/api/payments/events/{event_id}/replay": {
   "post": {
    "description": "Process an event again now; its state says what came of it.",
    "operationId": "payments_replay_event",
    "parameters": [
     {
      "in": "path",
      "name": "event_id",
      "required": true,
      "schema": {
       "title": "Event Id",
       "type": "string"
      }
     }
    ],
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/EventResponse"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Payments Replay Event",
    "tags": [
     "payments"
    ]
   }
  },
  "/api/payments/history": {
   "get": {
    "description": "Payments, newest first, from the mirror: no call to Stripe.",
    "operationId": "payments_list_payments",
    "parameters": [
     {
      "in": "query",
      "name": "limit",
      "required": false,
      "schema": {
       "default": 20,
       "maximum": 100,
       "minimum": 1,
       "title": "Limit",
       "type": "integer"
      }
     },
     {
      "description": "`next_cursor` of the page before",
      "in": "query",
      "name": "cursor",
      "required": false,
      "schema": {
       "anyOf": [
        {
         "type": "string"
        },
        {
         "type": "null"
        }
       ],
       "description": "`next_cursor` of the page before",
       "title": "Cursor"
      }
     },
     {
      "description": "another customer than yours: for administrators",
      "in": "query",
      "name": "customer_id",
      "required": false,
      "schema": {
       "anyOf": [
        {
         "maxLength": 64,
         "type": "string"
        },
        {
         "type": "null"
        }
       ],
       "description": "another customer than yours: for administrators",
       "title": "Customer Id"
      }
     },
     {
      "description": "RFC 3339: created then or later",
      "in": "query",
      "name": "from",
      "required": false,
      "schema": {
       "anyOf": [
        {
         "maxLength": 40,
         "type": "string"
        },
        {
         "type": "null"
        }
       ],
       "description": "RFC 3339: created then or later",
       "title": "From"
      }
     },
     {
      "description": "RFC 3339: created earlier",
      "in": "query",
      "name": "to",
      "required": false,
      "schema": {
       "anyOf": [
        {
         "maxLength": 40,
         "type": "string"
        },
        {
         "type": "null"
        }
       ],
       "description": "RFC 3339: created earlier",
       "title": "To"
      }
     },
     {
      "in": "query",
      "name": "status",
      "required": false,
      "schema": {
       "anyOf": [
        {
         "enum": [
          "requires_payment_method",
          "requires_confirmation",
          "requires_action",
          "processing",
          "requires_capture",
          "canceled",
          "succeeded"
         ],
         "type": "string"
        },
        {
         "type": "null"
        }
       ],
       "title": "Status"
      }
     }
    ],
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/PaymentList"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Payments List Payments",
    "tags": [
     "payments"
    ]
   }
  },
  "/api/payments/methods": {
   "get": {
    "operationId": "payments_list_methods",
    "parameters": [
     {
      "in": "query",
      "name": "limit",
      "required": false,
      "schema": {
       "default": 20,
       "maximum": 100,
       "minimum": 1,
       "title": "Limit",
       "type": "integer"
      }
     },
     {
      "description": "`next_cursor` of the page before",
      "in": "query",
      "name": "cursor",
      "required": false,
      "schema": {
       "anyOf": [
        {
         "type": "string"
        },
        {
         "type": "null"
        }
       ],
       "description": "`next_cursor` of the page before",
       "title": "Cursor"
      }
     },
     {
      "description": "another customer than yours: for administrators",
      "in": "query",
      "name": "customer_id",
      "required": false,
      "schema": {
       "anyOf": [
        {
         "maxLength": 64,
         "type": "string"
        },
        {
         "type": "null"
        }
       ],
       "description": "another customer than yours: for administrators",
       "title": "Customer Id"
      }
     }
    ],
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/MethodList"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Payments List Methods",
    "tags": [
     "payments"
    ]
   }
  },
  "/api/payments/methods/{method_id}": {
   "delete": {
    "description": "Remove a saved card, for good.",
    "operationId": "payments_delete_method",
    "parameters": [
     {
      "in": "path",
      "name": "method_id",
      "required": true,
      "schema": {
       "title": "Method Id",
       "type": "string"
      }
     }
    ],
    "responses": {
     "204": {
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Payments Delete Method",
    "tags": [
     "payments"
    ]
   }
  },
  "/api/payments/portal-session": {
   "post": {
    "description": "Stripe's billing portal, where people change their cards and plans and see their invoices.",
    "operationId": "payments_create_portal",
    "requestBody": {
     "content": {
      "application/json": {
       "schema": {
        "anyOf": [
         {
          "$ref": "#/components/schemas/PortalRequest"
         },
         {
          "type": "null"
         }
        ],
        "title": "Body"
       }
      }
     }
    },
    "responses": {
     "201": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/HostedPageResponse"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Payments Create Portal",
    "tags": [
     "payments"
    ]
   }
  },
  "/api/payments/reconcile": {
   "post": {
    "description": "Compare the mirror with Stripe, repair it, and report the drift. One that is not finished goes on with the next call.",
    "operationId": "payments_reconcile",
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/ReportResponse"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Payments Reconcile",
    "tags": [
     "payments"
    ]
   }
  },
  "/api/payments/setup-intent": {
   "post": {
    "description": "Begin to save a card: a page confirms `client_secret` with Stripe.js.",
    "operationId": "payments_create_setup",
    "requestBody": {
     "content": {
      "application/json": {
       "schema": {
        "anyOf": [
         {
          "$ref": "#/components/schemas/CustomerOnly"
         },
         {
          "type": "null"
         }
        ],
        "title": "Body"
       }
      }
     }
    },
    "responses": {
     "201": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/SetupResponse"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Payments Create Setup",
    "tags": [
     "payments"
    ]
   }
  },
  "/api/payments/stats": {
   "get": {
    "description": "Everyone's counts and sums by currency and status, as of the last roll-up. Currencies are never added together.",
    "operationId": "payments_stats",
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/shared_code__payments__event_schemas__StatsResponse"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Payments Stats",
    "tags": [
     "payments"
    ]
   }
  },
  "/api/payments/{payment_id}": {
   "get": {
    "description": "The payment as it is now; one that is under way is asked of Stripe.",
    "operationId": "payments_get_payment",
    "parameters": [
     {
      "in": "path",
      "name": "payment_id",
      "required": true,
      "schema": {
       "title": "Payment Id",
       "type": "string"
      }
     }
    ],
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/PaymentResponse"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Payments Get Payment",
    "tags": [
     "payments"
    ]
   }
  },
  "/api/refunds": {
   "get": {
    "operationId": "payments_list_refunds",
    "parameters": [
     {
      "in": "query",
      "name": "limit",
      "required": false,
      "schema": {
       "default": 20,
       "maximum": 100,
       "minimum": 1,
       "title": "Limit",
       "type": "integer"
      }
     },
     {
      "description": "`next_cursor` of the page before",
      "in": "query",
      "name": "cursor",
      "required": false,
      "schema": {
       "anyOf": [
        {
         "type": "string"
        },
        {
         "type": "null"
        }
       ],
       "description": "`next_cursor` of the page before",
       "title": "Cursor"
      }
     },
     {
      "description": "only this payment's",
      "in": "query",
      "name": "payment_intent_id",
      "required": false,
      "schema": {
       "anyOf": [
        {
         "maxLength": 64,
         "type": "string"
        },
        {
         "type": "null"
        }
       ],
       "description": "only this payment's",
       "title": "Payment Intent Id"
      }
     },
     {
      "description": "another customer than yours: for administrators",
      "in": "query",
      "name": "customer_id",
      "required": false,
      "schema": {
       "anyOf": [
        {
         "maxLength": 64,
         "type": "string"
        },
        {
         "type": "null"
        }
       ],
       "description": "another customer than yours: for administrators",
       "title": "Customer Id"
      }
     }
    ],
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/RefundList"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Payments List Refunds",
    "tags": [
     "payments"
    ]
   }
  },
  "/api/refunds/create": {
   "post": {
    "description": "Give money back: never more than what is left of the payment, however many ask at once.",
    "operationId": "payments_create_refund",
    "requestBody": {
     "content": {
      "application/json": {
       "schema": {
        "$ref": "#/components/schemas/RefundRequest"
       }
      }
     },
     "required": true
    },
    "responses": {
     "201": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/RefundResponse"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Payments Create Refund",
    "tags": [
     "payments"
    ]
   }
  },
  "/api/subscriptions": {
   "get": {
    "operationId": "payments_list_subscriptions",
    "parameters": [
     {
      "in": "query",
      "name": "limit",
      "required": false,
      "schema": {
       "default": 20,
       "maximum": 100,
       "minimum": 1,
       "title": "Limit",
       "type": "integer"
      }
     },
     {
      "description": "`next_cursor` of the page before",
      "in": "query",
      "name": "cursor",
      "required": false,
      "schema": {
       "anyOf": [
        {
         "type": "string"
        },
        {
         "type": "null"
        }
       ],
       "description": "`next_cursor` of the page before",
       "title": "Cursor"
      }
     },
     {
      "description": "another customer than yours: for administrators",
      "in": "query",
      "name": "customer_id",
      "required": false,
      "schema": {
       "anyOf": [
        {
         "maxLength": 64,
         "type": "string"
        },
        {
         "type": "null"
        }
       ],
       "description": "another customer than yours: for administrators",
       "title": "Customer Id"
      }
     },
     {
      "in": "query",
      "name": "status",
      "required": false,
      "schema": {
       "anyOf": [
        {
         "enum": [
          "incomplete",
          "incomplete_expired",
          "trialing",
          "active",
          "past_due",
          "canceled",
          "unpaid",
          "paused"
         ],
         "type": "string"
        },
        {
         "type": "null"
        }
       ],
       "title": "Status"
      }
     }
    ],
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/SubscriptionList"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Payments List Subscriptions",
    "tags": [
     "payments"
    ]
   }
  },
  "/api/subscriptions/create": {
   "post": {
    "description": "Subscribe to a price. With a saved card its first payment is tried at once; else confirm it with `client_secret`.",
    "operationId": "payments_create_subscription",
    "requestBody": {
     "content": {
      "application/json": {
       "schema": {
        "$ref": "#/components/schemas/SubscriptionRequest"
       }
      }
     },
     "required": true
    },
    "responses": {
     "201": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/NewSubscriptionResponse"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Payments Create Subscription",
    "tags": [
     "payments"
    ]
   }
  },
  "/api/subscriptions/{subscription_id}": {
   "get": {
    "operationId": "payments_get_subscription",
    "parameters": [
     {
      "in": "path",
      "name": "subscription_id",
      "required": true,
      "schema": {
       "title": "Subscription Id",
       "type": "string"
      }
     }
    ],
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/SubscriptionResponse"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Payments Get Subscription",
    "tags": [
     "payments"
    ]
   }
  },
  "/api/subscriptions/{subscription_id}/cancel": {
   "post": {
    "description": "End it, by default when what was paid for is over.",
    "operationId": "payments_cancel_subscription",
    "parameters": [
     {
      "in": "path",
      "name": "subscription_id",
      "required": true,
      "schema": {
       "title": "Subscription Id",
       "type": "string"
      }
     }
    ],
    "requestBody": {
     "content": {
      "application/json": {
       "schema": {
        "anyOf": [
         {
          "$ref": "#/components/schemas/CancelRequest"
         },
         {
          "type": "null"
         }
        ],
        "title": "Body"
       }
      }
     }
    },
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/SubscriptionResponse"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Payments Cancel Subscription",
    "tags": [
     "payments"
    ]
   }
  },
  "/api/subscriptions/{subscription_id}/update": {
   "post": {
    "description": "Change the price, the quantity or the metadata; `proration_behavior` says how what was paid already counts.",
    "operationId": "payments_update_subscription",
    "parameters": [
     {
      "in": "path",
      "name": "subscription_id",
      "required": true,
      "schema": {
       "title": "Subscription Id",
       "type": "string"
      }
     }
    ],
    "requestBody": {
     "content": {
      "application/json": {
       "schema": {
        "$ref": "#/components/schemas/SubscriptionChange"
       }
      }
     },
     "required": true
    },
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/SubscriptionResponse"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "security": [
     {
      "bearer": []
     }
    ],
    "summary": "Payments Update Subscription",
    "tags": [
     "payments"
    ]
   }
  },
  "/api/webhooks/sendgrid": {
   "post": {
    "description": "SendGrid's signed event webhook: addresses that bounce or complain get no more mail.",
    "operationId": "mail_sendgrid_webhook",
    "responses": {
     "204": {
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "summary": "Mail Sendgrid Webhook",
    "tags": [
     "mail"
    ]
   }
  },
  "/api/webhooks/stripe": {
   "post": {
    "description": "Take one event of Stripe: verified, stored, acknowledged, and then processed behind a queue.",
    "operationId": "payments_stripe_webhook",
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "$ref": "#/components/schemas/ReceivedResponse"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "summary": "Payments Stripe Webhook",
    "tags": [
     "payments"
    ]
   }
  },
  "/auth/reset-password": {
   "get": {
    "description": "Where the link of a `reset_password` mail leads.",
    "operationId": "auth_reset_password_page",
    "responses": {
     "200": {
      "content": {
       "text/html": {
        "schema": {
         "type": "string"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "summary": "Auth Reset Password Page",
    "tags": [
     "auth"
    ]
   }
  },
  "/auth/verify-email": {
   "get": {
    "description": "Where the link of a `verify_email` mail leads. Its button sends the token.",
    "operationId": "auth_verify_email_page",
    "responses": {
     "200": {
      "content": {
       "text/html": {
        "schema": {
         "type": "string"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "summary": "Auth Verify Email Page",
    "tags": [
     "auth"
    ]
   }
  },
  "/docs": {
   "get": {
    "description": "The reference page; it works with no outside network.",
    "operationId": "common_docs",
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {}
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "summary": "Common Docs",
    "tags": [
     "common"
    ]
   }
  },
  "/health": {
   "get": {
    "description": "Liveness and summary; it reports the last probe, at most ten seconds old, and is 200 while the app can serve.",
    "operationId": "common_health",
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {
         "additionalProperties": true,
         "title": "Response Common Health",
         "type": "object"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "summary": "Common Health",
    "tags": [
     "common"
    ]
   }
  },
  "/health/ready": {
   "get": {
    "description": "Probe each dependency now; 503 only when storage is down.",
    "operationId": "common_ready",
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {}
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "summary": "Common Ready",
    "tags": [
     "common"
    ]
   }
  },
  "/monitor": {
   "get": {
    "description": "The operator page. It is open; what it shows needs an administrator.",
    "operationId": "monitoring_page",
    "responses": {
     "200": {
      "content": {
       "text/html": {
        "schema": {
         "type": "string"
        }
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "summary": "Monitoring Page",
    "tags": [
     "monitoring"
    ]
   }
  },
  "/openapi.json": {
   "get": {
    "description": "OpenAPI 3.1 of the registered services.",
    "operationId": "common_openapi",
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {}
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "summary": "Common Openapi",
    "tags": [
     "common"
    ]
   }
  },
  "/share/{token}": {
   "get": {
    "description": "The shared bytes. A password comes in `X-Share-Password` or as HTTP Basic.",
    "operationId": "files_download_share",
    "parameters": [
     {
      "in": "path",
      "name": "token",
      "required": true,
      "schema": {
       "title": "Token",
       "type": "string"
      }
     },
     {
      "description": "by default `optimized` when it is ready, else `original`",
      "in": "query",
      "name": "variant",
      "required": false,
      "schema": {
       "anyOf": [
        {
         "enum": [
          "original",
          "optimized",
          "thumbnail"
         ],
         "type": "string"
        },
        {
         "type": "null"
        }
       ],
       "description": "by default `optimized` when it is ready, else `original`",
       "title": "Variant"
      }
     },
     {
      "in": "query",
      "name": "download",
      "required": false,
      "schema": {
       "default": false,
       "title": "Download",
       "type": "boolean"
      }
     }
    ],
    "responses": {
     "200": {
      "content": {
       "application/octet-stream": {
        "schema": {
         "format": "binary",
         "type": "string"
        }
       }
      },
      "description": "Successful Response"
     },
     "206": {
      "description": "The range"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "summary": "Files Download Share",
    "tags": [
     "files"
    ]
   }
  },
  "/static/{asset}": {
   "get": {
    "description": "The few assets of our own pages.",
    "operationId": "common_static",
    "parameters": [
     {
      "in": "path",
      "name": "asset",
      "required": true,
      "schema": {
       "title": "Asset",
       "type": "string"
      }
     }
    ],
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {}
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "summary": "Common Static",
    "tags": [
     "common"
    ]
   }
  },
  "/static/{version}/{asset}": {
   "get": {
    "description": "The same under an address that changes with them, so that they may be kept for a year.",
    "operationId": "common_static_version",
    "parameters": [
     {
      "in": "path",
      "name": "version",
      "required": true,
      "schema": {
       "title": "Version",
       "type": "string"
      }
     },
     {
      "in": "path",
      "name": "asset",
      "required": true,
      "schema": {
       "title": "Asset",
       "type": "string"
      }
     }
    ],
    "responses": {
     "200": {
      "content": {
       "application/json": {
        "schema": {}
       }
      },
      "description": "Successful Response"
     },
     "default": {
      "content": {
       "application/problem+json": {
        "schema": {
         "$ref": "#/components/schemas/Problem"
        }
       }
      },
      "description": "A problem"
     }
    },
    "summary": "Common Static Version",
    "tags": [
     "common"
    ]
   }
  }
 }
}
