"""What the vendor documents and how its silences are read, each with the test that shows it."""

from tests.dialects.coverage_shape import Behaviour

COVERAGE = (
    # Seed: data model and example.
    Behaviour(
        "documented",
        "The nine members of an attachment, in the page's order",
        "test_the_envelope_has_twelve_keys_and_the_body_nine",
    ),
    Behaviour(
        "documented",
        "workspace, document, caption, size and format say what was sent",
        "test_the_body_says_what_was_sent",
    ),
    Behaviour(
        "documented", "location is an internal id of the stored file", "test_the_same_bytes_have_the_same_location"
    ),
    Behaviour(
        "documented",
        "Reference numbers and description are optional",
        "test_optional_texts_that_were_not_given_are_null",
    ),
    Behaviour("documented", "The example body", "test_the_example_is_answered_as_it_is_printed"),
    # Seed: list.
    Behaviour(
        "documented",
        "List: an array of envelopes of type navarik.bridge.attachment",
        "test_the_examples_body_keeps_its_shape_in_every_call",
    ),
    Behaviour("documented", "List: only the files of that document", "test_an_attachment_lies_under_its_document_only"),
    Behaviour("documented", "limit: at most so many, 25 by default", "test_a_page_has_25_unless_told"),
    Behaviour("documented", "offset: so many skipped, 0 by default", "test_offset_skips_and_the_end_is_empty"),
    Behaviour("documented", "sort: criteria field:asc|desc with commas between", "test_sort"),
    Behaviour("documented", "sort: created_at:desc, id:asc by default", "test_a_list_is_a_bare_array_newest_first"),
    Behaviour(
        "documented",
        "sort: ties follow the next criterion",
        "test_entities_of_the_same_printed_time_follow_the_next_criterion",
    ),
    # Seed: create.
    Behaviour("documented", "Create: multipart/form-data with the part file", "test_a_file_goes_all_the_way"),
    Behaviour("documented", "Create: only multipart/form-data", "test_only_multipart_is_taken"),
    Behaviour("documented", "Create: file is required", "test_forms_that_are_not_right_leave_nothing"),
    Behaviour("documented", "Create: three optional request parameters", "test_the_body_says_what_was_sent"),
    Behaviour("documented", "Create: the answer is one envelope", "test_a_fresh_envelope_has_never_been_changed"),
    # Seed: descriptor, content, delete.
    Behaviour("documented", "Descriptor: one envelope", "test_the_examples_body_keeps_its_shape_in_every_call"),
    Behaviour("documented", "Content: the bytes", "test_content_is_the_bytes_under_their_name"),
    Behaviour(
        "documented",
        "Delete: the latest known version as one envelope",
        "test_a_deletion_keeps_the_version_and_renews_who_and_when",
    ),
    Behaviour("documented", "All ids are required UUIDs", "test_malformed_ids_are_refused_wherever_they_are"),
    # The vendor's other pages, as the contract quotes them.
    Behaviour("documented", "Envelope: id to schema", "test_the_envelope_has_twelve_keys_and_the_body_nine"),
    Behaviour(
        "documented",
        "version_id is a UUIDv5 of the content under the entity's id",
        "test_the_contracts_test_vector_passes",
    ),
    Behaviour("documented", "Equal version ids mean the same version", "test_each_change_names_the_version_before"),
    Behaviour(
        "documented", "previous_version_id is null when never changed", "test_a_fresh_envelope_has_never_been_changed"
    ),
    Behaviour(
        "documented", "Times are ISO 8601 in UTC with milliseconds", "test_a_fresh_envelope_has_never_been_changed"
    ),
    Behaviour("documented", "API keys as bearer tokens", "test_without_a_known_key_there_is_nothing"),
    Behaviour(
        "documented", "Service accounts: client credentials for a token", "test_client_credentials_give_a_bearer_token"
    ),
    Behaviour(
        "documented",
        "Service accounts: expires_in is a duration in words",
        "test_how_long_it_holds_is_the_operators_choice",
    ),
    Behaviour(
        "documented",
        "Both parties of a workspace may see what is in it",
        "test_either_party_may_do_everything_in_the_workspace",
    ),
    Behaviour("documented", "Outsiders may not", "test_who_is_no_party_is_refused_everywhere"),
    Behaviour("documented", "400, 401 and 403 of the first version's manual", "test_every_failure_is_one_message"),
    Behaviour("documented", "Organizations: list with name and category", "test_categories_are_filtered"),
    Behaviour(
        "documented", "Organizations: name is a part of it in any case", "test_names_are_searched_by_part_in_any_case"
    ),
    Behaviour(
        "documented", "Organizations: create from the model itself, get", "test_an_organization_is_made_and_found"
    ),
    Behaviour("documented", "Organizations: names are unique", "test_a_name_is_given_once"),
    Behaviour("documented", "Workspaces: filters on both parties and the description", "test_workspaces_are_filtered"),
    Behaviour("documented", "Workspaces: create from the model itself", "test_a_workspace_is_opened_and_found"),
    Behaviour("documented", "Documents: type is required in lists", "test_a_list_is_of_one_type"),
    Behaviour("documented", "Documents: filters by field", "test_documents_are_filtered_by_their_members"),
    Behaviour("documented", "Documents: create from type and body", "test_any_type_and_any_object_make_a_document"),
    Behaviour("documented", "Documents: bulk", "test_bulk_makes_all_or_none"),
    Behaviour("documented", "Documents: get one envelope", "test_any_type_and_any_object_make_a_document"),
    Behaviour(
        "documented",
        "Documents: PATCH names the version that it replaces",
        "test_a_change_lays_new_members_over_the_old",
    ),
    # Readings.
    Behaviour("reading", "Twelve keys, with body and meta", "test_the_envelope_has_twelve_keys_and_the_body_nine"),
    Behaviour(
        "reading",
        "version_id: the text is JSON.stringify of the body",
        "test_values_are_printed_as_ecmascript_prints_them",
    ),
    Behaviour(
        "reading",
        "version_id: every entity's can be computed from its envelope",
        "test_every_entity_has_the_version_id_that_its_envelope_gives",
    ),
    Behaviour("reading", "last_action of a fresh entity is create", "test_a_fresh_envelope_has_never_been_changed"),
    Behaviour("reading", "Optional members are null", "test_optional_texts_that_were_not_given_are_null"),
    Behaviour(
        "reading",
        "Unknown members of typed bodies are dropped",
        "test_name_alone_suffices_and_unknown_members_are_dropped",
    ),
    Behaviour(
        "reading",
        "limit 0, negative or no whole number: 400",
        "test_a_limit_that_is_no_positive_whole_number_is_refused",
    ),
    Behaviour("reading", "limit is cut to 1000", "test_limit_is_cut_to_a_thousand"),
    Behaviour("reading", "offset beyond the end: an empty array", "test_offset_skips_and_the_end_is_empty"),
    Behaviour("reading", "sort: blanks, missing direction, any case, dotted paths, unknown fields", "test_sort"),
    Behaviour("reading", "sort: missing values are as empty text", "test_sort"),
    Behaviour("reading", "Unknown parameters are ignored", "test_unknown_parameters_and_empty_ones_change_nothing"),
    Behaviour("reading", "No total and no links in lists", "test_a_list_is_a_bare_array_newest_first"),
    Behaviour("reading", "201 on create", "test_the_example_is_answered_as_it_is_printed"),
    Behaviour("reading", "Another media type: 415", "test_only_multipart_is_taken"),
    Behaviour(
        "reading",
        "Texts are query parameters; form parts too, the query wins",
        "test_texts_may_be_parts_of_the_form_and_the_query_wins",
    ),
    Behaviour("reading", "Reference numbers go by their names", "test_reference_numbers_go_by_their_names"),
    Behaviour("reading", "caption is the part's filename", "test_names_come_back_as_they_were_sent"),
    Behaviour("reading", "Content: type, length and disposition", "test_content_is_the_bytes_under_their_name"),
    Behaviour("reading", "Content: ranges and conditions", "test_content_has_ranges_and_conditions"),
    Behaviour(
        "reading",
        "Delete answers 200; version ids stay, last_action is delete",
        "test_a_deletion_keeps_the_version_and_renews_who_and_when",
    ),
    Behaviour(
        "reading", "What is deleted is in no list and is not found", "test_what_is_deleted_is_gone_from_every_call"
    ),
    Behaviour("reading", "No update of attachments: 405", "test_attachments_are_not_updated"),
    Behaviour("reading", "Either party may delete", "test_what_one_party_made_the_other_may_delete"),
    Behaviour("reading", "No party: 403; another account: 404", "test_another_accounts_ids_are_not_found"),
    Behaviour("reading", "Ids under the wrong parent: 404", "test_documents_lie_in_their_workspace_only"),
    Behaviour("reading", "Errors are one message", "test_every_failure_is_one_message"),
    Behaviour("reading", "JSON only; XML alone: 406", "test_xml_alone_is_not_acceptable"),
    Behaviour("reading", "/v2 at the root and under /bridge", "test_both_mounts_are_the_same_api"),
    Behaviour("reading", "Token requests as JSON and as a form", "test_credentials_may_come_as_a_form"),
    Behaviour("reading", "The token goes in Authorization: Bearer", "test_client_credentials_give_a_bearer_token"),
    Behaviour("reading", "A name that is taken: 409", "test_of_two_calls_with_one_name_at_once_one_is_refused"),
    Behaviour("reading", "Get one workspace, by analogy", "test_a_workspace_is_opened_and_found"),
    Behaviour(
        "reading",
        "A workspace is opened by one who may speak for both parties",
        "test_one_party_alone_cannot_open_a_workspace",
    ),
    Behaviour("reading", "Any document type, any object", "test_any_type_and_any_object_make_a_document"),
    Behaviour("reading", "PATCH lays new members over the old", "test_a_change_lays_new_members_over_the_old"),
    Behaviour("reading", "A stale version: 409", "test_a_stale_version_is_refused"),
    Behaviour("reading", "Attachments go with their document", "test_attachments_go_with_their_document"),
)
